"""Results that other programs have written already, one module a format."""
