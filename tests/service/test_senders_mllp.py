"""HL7 over MLLP to a receiver that takes, refuses, delays, drops and babbles."""

from __future__ import annotations

import pytest
from tests.mllp_receiver import mllp_receiver
from tests.ports import unanswered_port

from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.senders.mllp import MllpNode, send_message

MESSAGE = b"MSH|^~\\&|A||B||20260101||ORU^R01^ORU_R01|c1|P|2.5\rOBX|1|ST|x||\xc3\xa4||||||P\r"


def test_a_message_that_is_taken() -> None:
    with mllp_receiver() as receiver:
        send_message(MllpNode("127.0.0.1", receiver.port), MESSAGE)
        assert receiver.taken == [MESSAGE]


@pytest.mark.parametrize(
    ("does", "words", "permanent"),
    [
        # HL7 v2.5, 2.9.2.2: AE is about the content; after AR the same message may be taken later.
        ("AE", "acknowledged with AE as told", True),
        ("AR", "acknowledged with AR as told", False),
        ("drop", "closed before an acknowledgement", False),
        ("late", "did not acknowledge", False),
        ("other", "for another message", False),
        ("noise", "no acknowledgement", False),
    ],
)
def test_a_message_that_is_not(does: str, words: str, permanent: bool) -> None:
    with mllp_receiver(does) as receiver:
        with pytest.raises(DeliveryError, match=words) as failed:
            patience_s = 0.3 if does == "late" else 60.0
            send_message(MllpNode("127.0.0.1", receiver.port, timeout_s=patience_s), MESSAGE)
        assert failed.value.permanent is permanent


def test_nobody_there() -> None:
    with (
        unanswered_port() as port,
        pytest.raises(DeliveryError, match="cannot be reached") as failed,
    ):
        send_message(MllpNode("127.0.0.1", port, timeout_s=60), MESSAGE)
    assert not failed.value.permanent
