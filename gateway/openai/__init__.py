"""OpenAI's HTTP API, routed: Envoy carries the traffic and asks here, over its external processing protocol.

    servicer → exchange → routing → router (the gateway's use case)

    openai_body, openai_query, openai_answers   what OpenAI clients send and get
    senders                                     whose requests they are
    clusters                                    what Envoy calls the endpoints of an LLM
    mutations                                   answers in Envoy's protobufs
    memory                                      how much of all bodies is held at once

Everything but servicer and routing is pure. No byte of an LLM's answer passes through here.
"""
