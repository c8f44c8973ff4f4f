"""Routes, wire schemas, problems, cookies and middleware."""
