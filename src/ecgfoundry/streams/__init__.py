"""Signals as devices send them (Lab Streaming Layer, MQTT, WebSocket, standard input).

An address names a source, :func:`ecgfoundry.streams.sources.open_source` opens it, and its frames
go into :class:`ecgfoundry.inference.live.stream.LiveStream` like those of any other device.
"""
