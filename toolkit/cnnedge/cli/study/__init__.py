"""`cnnedge study`: one command a study, imported only when called."""
