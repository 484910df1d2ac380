"""Messages on their way in: what they may cost before anybody has checked them."""
