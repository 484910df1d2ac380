"""The process: builds the service out of the other rooms, listens, reloads files, reports health, drains.

Only this package knows every other one.
"""
