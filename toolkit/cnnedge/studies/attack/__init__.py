"""Pictures changed so that a network errs, and what helps against it: `cnnedge study attack`."""
