"""What training, serving and clients agree on: messages, the bundle's manifest, tensor names.

Imports nothing of ours.
"""
