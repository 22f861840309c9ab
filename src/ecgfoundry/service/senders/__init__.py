"""Senders: answers to the systems of a hospital, each in its own grammar, until they are taken.

``documents`` writes what a destination gets, once; ``delivery`` keeps it in the outbox and sends it
again until it is taken or given up; one module per wire knows how to hand a document over.
"""
