"""Programs that run in pods, in the gateway's image. Their text is handed over, so each stands alone."""
