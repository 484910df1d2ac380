"""The console: one page that shows why a query goes where it goes, and what the gateway does at the moment.

It is a program of its own beside the gateway: it asks for decisions by gRPC as every client does, and reads the
gateway's metrics. It stores nothing, and the page loads nothing from another host.

Does not know: the gateway's code, Triton, bundles.
"""
