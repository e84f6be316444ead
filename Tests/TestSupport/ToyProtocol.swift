public import Calls

/// A protocol that is not the product's, registered once for all tests of the process.
public enum ToyProtocol {
    /// Its vocabulary.
    public static var traits: ProtocolTraits {
        var traits = ProtocolTraits(label: "toy")
        traits.codes.names = [0: "FINE", 9: "SAD"]
        traits.codes.own = .range(0...1000)
        traits.codes.maxOthers = 3
        traits.codes.serverFaults = .these([9])
        traits.codes.dubboFailures = [9: .codec]
        traits.spans.requestNumberKey = "toy.number"
        traits.localReplies.limitedCode = 9
        traits.localReplies.drainedCode = 8
        return traits
    }

    /// Its place.
    public static let callProtocol = ProtocolTraits.register(traits)
}
