// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import "@pythnetwork/pyth-sdk-solidity/AbstractPyth.sol";

/// @title A Pyth contract that stores prices, and refuses to hand prices to a caller in any other way.
abstract contract StoringPyth is AbstractPyth {
    error NotOffered();

    function getTwapUpdateFee(bytes[] calldata) external pure override returns (uint256) {
        revert NotOffered();
    }

    function parsePriceFeedUpdates(
        bytes[] calldata,
        bytes32[] calldata,
        uint64,
        uint64
    ) external payable override returns (PythStructs.PriceFeed[] memory) {
        revert NotOffered();
    }

    function parsePriceFeedUpdatesUnique(
        bytes[] calldata,
        bytes32[] calldata,
        uint64,
        uint64
    ) external payable override returns (PythStructs.PriceFeed[] memory) {
        revert NotOffered();
    }

    function parsePriceFeedUpdatesWithConfig(
        bytes[] calldata,
        bytes32[] calldata,
        uint64,
        uint64,
        bool,
        bool,
        bool
    ) external payable override returns (PythStructs.PriceFeed[] memory, uint64[] memory) {
        revert NotOffered();
    }

    function parseTwapPriceFeedUpdates(
        bytes[] calldata,
        bytes32[] calldata
    ) external payable override returns (PythStructs.TwapPriceFeed[] memory) {
        revert NotOffered();
    }
}
