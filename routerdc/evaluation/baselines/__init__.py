"""What a trained router must beat. Everything here learns from embeddings of a frozen encoder alone."""
