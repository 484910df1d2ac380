"""Programs that compute in this process what others serve, each in the environment that it needs; see measured.py.

    PYTHON -m loadtest.inprocess.NAME ARGUMENTS

They know nothing of each other, and only served_engine.py runs code of this project.
"""
