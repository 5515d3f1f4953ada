"""The fee market: what the node's answers on fees come to, whatever it leaves unanswered."""

from typing import Any

import pytest

from keeper.domain.errors import Transient
from keeper.domain.fees import FeeMarket
from keeper.domain.units import Wei
from keeper.evm.fees import fee_calls, fee_market
from keeper.evm.wire import ErrorAnswer, Response

BASE_FEE = "0x64"
UNSUPPORTED = Response(error=ErrorAnswer(-32601, "the method does not exist/is not available"))


def said(result: Any) -> Response:
    return Response(result=result)


GAS_PRICE = said(hex(130))
SUGGESTION = said(hex(7))


def history(*tips: int) -> Response:
    """One block a tip, as nodes tell it."""
    return said(
        {
            "oldestBlock": "0x10",
            "baseFeePerGas": [BASE_FEE] * (len(tips) + 1),
            "gasUsedRatio": [0.5] * len(tips),
            "reward": [[hex(tip)] for tip in tips],
        }
    )


def test_asks_for_the_tips_of_five_blocks_only_with_a_percentile() -> None:
    assert [call.method for call in fee_calls(None)] == ["eth_gasPrice", "eth_maxPriorityFeePerGas"]
    assert fee_calls(60)[-1] == ("eth_feeHistory", ("0x5", "latest", (60,)))


@pytest.mark.parametrize(
    ("answers", "tip"),
    [
        ([GAS_PRICE, SUGGESTION], 7),
        ([GAS_PRICE, UNSUPPORTED], 30),
        ([said(hex(90)), UNSUPPORTED], 0),
        ([GAS_PRICE, SUGGESTION, history(5, 1, 2, 4, 3)], 3),
        ([GAS_PRICE, SUGGESTION, history(1, 1, 1, 900, 900)], 1),
        ([GAS_PRICE, UNSUPPORTED, history(5, 1, 2, 4, 3)], 3),
        ([GAS_PRICE, SUGGESTION, history(0, 0, 0, 5, 0)], 5),
        ([GAS_PRICE, SUGGESTION, history(0, 5, 0, 4, 0)], 4),
        ([GAS_PRICE, SUGGESTION, history(0, 0, 0, 0, 0)], 7),
        ([GAS_PRICE, SUGGESTION, history()], 7),
        ([GAS_PRICE, SUGGESTION, UNSUPPORTED], 7),
        ([GAS_PRICE, UNSUPPORTED, UNSUPPORTED], 30),
        ([GAS_PRICE, SUGGESTION, said({"oldestBlock": "0x10", "gasUsedRatio": [0.5]})], 7),
        ([GAS_PRICE, SUGGESTION, said({"oldestBlock": "0x10", "reward": None})], 7),
        ([GAS_PRICE, SUGGESTION, said({"reward": [[5]]})], 7),
        ([GAS_PRICE, SUGGESTION, said(None)], 7),
    ],
)
def test_takes_the_median_tip_else_the_suggestion_else_what_the_gas_price_holds(
    answers: list[Response], tip: int
) -> None:
    assert fee_market(BASE_FEE, answers) == FeeMarket(Wei(100), Wei(tip), Wei(int(answers[0].result, 16)))


def test_there_is_no_tip_without_a_base_fee() -> None:
    assert fee_market(None, [GAS_PRICE, SUGGESTION, history(5)]) == FeeMarket(None, Wei(0), Wei(130))


@pytest.mark.parametrize("answers", [[UNSUPPORTED, SUGGESTION], [GAS_PRICE, said("seven")]])
def test_answers_that_make_no_sense_are_no_market(answers: list[Response]) -> None:
    with pytest.raises(Transient):
        fee_market(BASE_FEE, answers)
