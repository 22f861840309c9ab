"""Live streams: buffer, frames, state."""
