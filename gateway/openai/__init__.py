"""OpenAI's and Anthropic's HTTP APIs, routed: Envoy carries the traffic and asks here, over external processing.

    servicer → exchange → routing → router (the gateway's use case)

    exchange                   one HTTP request; its phases, as Envoy names them: collecting, or pass_through
    direct                     what is answered without an LLM
    apis                       one class for each API: what a body asks, and what an LLM must be able to do
    bodies                     how bodies are read, and what each LLM that is tried gets
    choosing                   which LLMs can do what a request needs, and the LLM that it names
    answers                    errors in the form of the API, and the lists of models
    auth                       API keys and sessions of HTTP requests
    mutations                  answers in Envoy's protobufs

Everything but servicer, routing and the reader of bodies is pure. No byte of an LLM's answer passes through here.
"""
