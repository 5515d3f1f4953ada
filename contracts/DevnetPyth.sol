// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import "./StoringPyth.sol";

/// @title A Pyth contract for a devnet: it verifies, prices and stores updates as the real one does.
/// @notice Who signs, how many must, where updates come from and what they cost is fixed at construction.
/// @dev All numbers on the wire are big-endian. The formats may grow: a longer header, payload or message is
/// accepted and its unknown end ignored, but no byte may follow the last message of a blob.
contract DevnetPyth is StoringPyth {
    /// @dev Two storage slots: the price, then its moving average.
    struct Feed {
        uint64 publishTime;
        int32 expo;
        int64 price;
        uint64 conf;
        int64 emaPrice;
        uint64 emaConf;
    }

    /// @dev As the Wormhole contract returns it.
    struct GuardianSet {
        address[] keys;
        uint32 expirationTime;
    }

    bytes4 private constant BLOB_MAGIC = "PNAU";
    bytes4 private constant ROOT_MAGIC = "AUWV";
    uint256 private constant MAJOR_VERSION = 1;
    uint256 private constant WORMHOLE_MERKLE = 0;
    uint256 private constant VAA_VERSION = 1;
    uint256 private constant PRICE_MESSAGE = 0;

    uint256 private constant VAA_HEADER_SIZE = 6;
    uint256 private constant SIGNATURE_SIZE = 66;
    uint256 private constant VAA_BODY_HEADER_SIZE = 51;
    uint256 private constant ROOT_PAYLOAD_SIZE = 37;
    uint256 private constant PRICE_MESSAGE_SIZE = 85;
    uint256 private constant NODE_SIZE = 20;

    uint256 public immutable singleUpdateFeeInWei;
    uint256 private immutable validTimePeriod;
    uint256 private immutable quorum;
    uint256 private immutable signerCount;
    uint32 private immutable signerSetIndex;
    uint256 private immutable emitterChain;
    bytes32 private immutable emitterAddress;

    /// @dev By the index that a signature names, one byte; zero where nobody sits.
    address[256] private signers;
    mapping(bytes32 id => Feed) private feeds;

    constructor(
        address[] memory signers_,
        uint8 quorum_,
        uint32 signerSetIndex_,
        uint16 emitterChain_,
        bytes32 emitterAddress_,
        uint256 singleUpdateFeeInWei_,
        uint256 validTimePeriod_
    ) {
        if (quorum_ == 0 || quorum_ > signers_.length || signers_.length > signers.length) {
            revert PythErrors.InvalidArgument();
        }
        for (uint256 i = 0; i < signers_.length; ++i) {
            if (signers_[i] == address(0)) revert PythErrors.InvalidArgument();
            signers[i] = signers_[i];
        }
        quorum = quorum_;
        signerCount = signers_.length;
        signerSetIndex = signerSetIndex_;
        emitterChain = emitterChain_;
        emitterAddress = emitterAddress_;
        singleUpdateFeeInWei = singleUpdateFeeInWei_;
        validTimePeriod = validTimePeriod_;
    }

    // Updates

    function updatePriceFeeds(bytes[] calldata updateData) public payable override {
        uint256 messages = 0;
        for (uint256 i = 0; i < updateData.length; ++i) {
            messages += _apply(updateData[i]);
        }
        if (msg.value < messages * singleUpdateFeeInWei) revert PythErrors.InsufficientFee();
    }

    /// @dev A feed never written has the publish time zero.
    function updatePriceFeedsIfNecessary(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64[] calldata publishTimes
    ) external payable override {
        if (priceIds.length != publishTimes.length) revert PythErrors.InvalidArgument();
        for (uint256 i = 0; i < priceIds.length; ++i) {
            if (feeds[priceIds[i]].publishTime < publishTimes[i]) {
                updatePriceFeeds(updateData);
                return;
            }
        }
        revert PythErrors.NoFreshUpdate();
    }

    /// @dev Counts every message, also those that would change nothing.
    function getUpdateFee(bytes[] calldata updateData) external view override returns (uint256 feeAmount) {
        for (uint256 i = 0; i < updateData.length; ++i) {
            (, uint256 messages, ) = _openBlob(updateData[i]);
            feeAmount += messages * singleUpdateFeeInWei;
        }
    }

    // Reads

    function queryPriceFeed(bytes32 id) public view override returns (PythStructs.PriceFeed memory) {
        Feed memory feed = feeds[id];
        if (feed.publishTime == 0) revert PythErrors.PriceFeedNotFound();
        return
            PythStructs.PriceFeed({
                id: id,
                price: PythStructs.Price(feed.price, feed.conf, feed.expo, feed.publishTime),
                emaPrice: PythStructs.Price(feed.emaPrice, feed.emaConf, feed.expo, feed.publishTime)
            });
    }

    function priceFeedExists(bytes32 id) public view override returns (bool) {
        return feeds[id].publishTime != 0;
    }

    function getValidTimePeriod() public view override returns (uint256) {
        return validTimePeriod;
    }

    // Who signs: what the real contract leaves to the Wormhole contract that it names, this one answers itself

    function wormhole() external view returns (address) {
        return address(this);
    }

    function getCurrentGuardianSetIndex() external view returns (uint32) {
        return signerSetIndex;
    }

    /// @dev Sets of the past are not kept: any other index has no keys.
    function getGuardianSet(uint32 index) external view returns (GuardianSet memory set) {
        if (index != signerSetIndex) return set;
        set.keys = new address[](signerCount);
        for (uint256 i = 0; i < signerCount; ++i) {
            set.keys[i] = signers[i];
        }
    }

    // The update format

    /// @dev Verifies a blob and stores what it brings; returns how many messages it holds.
    function _apply(bytes calldata blob) private returns (uint256 messages) {
        bytes calldata vaa;
        bytes calldata rest;
        (vaa, messages, rest) = _openBlob(blob);
        bytes20 root = _signedRoot(_signedBody(vaa));
        for (uint256 i = 0; i < messages; ++i) {
            bytes calldata message;
            bytes calldata proof;
            (message, proof, rest) = _nextMessage(rest);
            if (_provenRoot(message, proof) != root) revert PythErrors.InvalidUpdateData();
            _store(message);
        }
        if (rest.length != 0) revert PythErrors.InvalidUpdateData();
    }

    /// @dev magic 4 | major 1 | minor 1 | size of further header 1 | further header | update type 1 |
    /// VAA size 2 | VAA | number of messages 1 | messages
    function _openBlob(
        bytes calldata blob
    ) private pure returns (bytes calldata vaa, uint256 messages, bytes calldata rest) {
        bytes calldata field;
        (field, rest) = _split(blob, 7);
        if (bytes4(field) != BLOB_MAGIC || uint8(field[4]) != MAJOR_VERSION) revert PythErrors.InvalidUpdateData();
        (, rest) = _split(rest, uint8(field[6]));
        (field, rest) = _split(rest, 3);
        if (uint8(field[0]) != WORMHOLE_MERKLE) revert PythErrors.InvalidUpdateData();
        (vaa, rest) = _split(rest, uint16(bytes2(field[1:])));
        (field, rest) = _split(rest, 1);
        messages = uint8(field[0]);
    }

    /// @dev version 1 | signer set 4 | number of signatures 1 | { index 1 | r 32 | s 32 | v 1 }* | body
    ///
    /// Every signature given must be good, also those beyond the quorum, and no signer counts twice.
    function _signedBody(bytes calldata vaa) private view returns (bytes calldata body) {
        if (vaa.length < VAA_HEADER_SIZE) revert PythErrors.InvalidWormholeVaa();
        uint256 signatures = uint8(vaa[5]);
        uint256 bodyStart = VAA_HEADER_SIZE + signatures * SIGNATURE_SIZE;
        if (
            uint8(vaa[0]) != VAA_VERSION ||
            uint32(bytes4(vaa[1:5])) != signerSetIndex ||
            signatures < quorum ||
            vaa.length < bodyStart + VAA_BODY_HEADER_SIZE
        ) revert PythErrors.InvalidWormholeVaa();

        body = vaa[bodyStart:];
        bytes32 digest = keccak256(abi.encodePacked(keccak256(body)));
        uint256 lowestIndex = 0;
        for (uint256 start = VAA_HEADER_SIZE; start < bodyStart; start += SIGNATURE_SIZE) {
            bytes calldata signature = vaa[start:start + SIGNATURE_SIZE];
            uint8 index = uint8(signature[0]);
            if (index < lowestIndex || !_isSignedBy(signers[index], digest, signature[1:])) {
                revert PythErrors.InvalidWormholeVaa();
            }
            lowestIndex = uint256(index) + 1;
        }
    }

    /// @dev The zero address signs nothing, though it is what an empty seat and a bad signature both yield.
    function _isSignedBy(address signer, bytes32 digest, bytes calldata rsv) private pure returns (bool) {
        uint8 v;
        unchecked {
            v = uint8(rsv[64]) + 27;
        }
        return signer != address(0) && ecrecover(digest, v, bytes32(rsv), bytes32(rsv[32:])) == signer;
    }

    /// @dev Body: timestamp 4 | nonce 4 | emitter chain 2 | emitter address 32 | sequence 8 | consistency 1 | payload
    ///
    /// Payload: magic 4 | update type 1 | slot 8 | ring size 4 | Merkle root 20
    function _signedRoot(bytes calldata body) private view returns (bytes20) {
        if (uint16(bytes2(body[8:])) != emitterChain || bytes32(body[10:]) != emitterAddress) {
            revert PythErrors.InvalidUpdateDataSource();
        }
        bytes calldata payload = body[VAA_BODY_HEADER_SIZE:];
        if (
            payload.length < ROOT_PAYLOAD_SIZE ||
            bytes4(payload) != ROOT_MAGIC ||
            uint8(payload[4]) != WORMHOLE_MERKLE
        ) revert PythErrors.InvalidUpdateData();
        return bytes20(payload[17:]);
    }

    /// @dev message size 2 | message | number of proof nodes 1 | nodes
    function _nextMessage(
        bytes calldata data
    ) private pure returns (bytes calldata message, bytes calldata proof, bytes calldata rest) {
        bytes calldata field;
        (field, rest) = _split(data, 2);
        (message, rest) = _split(rest, uint16(bytes2(field)));
        (field, rest) = _split(rest, 1);
        (proof, rest) = _split(rest, uint8(field[0]) * NODE_SIZE);
    }

    /// @dev The leaf hashes 0x00 and the message; a hash is cut to its first 20 bytes.
    function _provenRoot(bytes calldata message, bytes calldata proof) private pure returns (bytes20 hash) {
        hash = bytes20(keccak256(abi.encodePacked(bytes1(0x00), message)));
        for (uint256 start = 0; start < proof.length; start += NODE_SIZE) {
            hash = _parent(hash, bytes20(proof[start:]));
        }
    }

    /// @dev A node hashes 0x01 and its children, the lower first.
    function _parent(bytes20 a, bytes20 b) private pure returns (bytes20) {
        (bytes20 low, bytes20 high) = a < b ? (a, b) : (b, a);
        return bytes20(keccak256(abi.encodePacked(bytes1(0x01), low, high)));
    }

    /// @dev type 1 | feed id 32 | price 8 | conf 8 | expo 4 | publish time 8 | previous publish time 8 |
    /// EMA price 8 | EMA conf 8
    function _store(bytes calldata message) private {
        if (message.length < PRICE_MESSAGE_SIZE || uint8(message[0]) != PRICE_MESSAGE) {
            revert PythErrors.InvalidUpdateData();
        }
        bytes32 id = bytes32(message[1:]);
        uint64 publishTime = uint64(bytes8(message[53:]));
        Feed storage feed = feeds[id];
        if (publishTime <= feed.publishTime) return;

        int64 price = int64(uint64(bytes8(message[33:])));
        uint64 conf = uint64(bytes8(message[41:]));
        feed.publishTime = publishTime;
        feed.expo = int32(uint32(bytes4(message[49:])));
        feed.price = price;
        feed.conf = conf;
        feed.emaPrice = int64(uint64(bytes8(message[69:])));
        feed.emaConf = uint64(bytes8(message[77:]));
        emit PriceFeedUpdate(id, publishTime, price, conf);
    }

    /// @dev The first `size` bytes of `data`, and the rest.
    function _split(
        bytes calldata data,
        uint256 size
    ) private pure returns (bytes calldata head, bytes calldata rest) {
        if (data.length < size) revert PythErrors.InvalidUpdateData();
        return (data[:size], data[size:]);
    }
}
