"""Routes, the bodies and answers that they exchange, problems, cookies, and the front before all of them."""
