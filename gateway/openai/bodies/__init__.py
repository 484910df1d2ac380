"""Bodies of requests: how they are read, and what each LLM that is tried gets.

    coding      gzip, zstd: inflated, up to a limit
    members     where in the bytes the members of a JSON object stand
    reading     what routing needs of a body; reader: where it is read, here or in reading_process, shortest_first
    edits       places where the bodies of candidates differ; outgoing: what each attempt gets

Everything but reader is pure.
"""
