"""Live streams over HTTP and WebSocket."""
