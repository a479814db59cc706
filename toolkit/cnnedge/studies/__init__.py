"""Studies: questions of a course, answered by measuring models on pictures.

Models and data sets enter; tables, figures and JSON leave. One module or folder a study.
"""
