"""What runs in a worker process: it takes tasks from a socket, calls handlers, and answers.

It never speaks to the database and never outlives its parent.
"""
