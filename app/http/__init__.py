"""Routes, the bodies and answers that they exchange, problems, cookies and middleware."""
