internal import CPcap

extension LinkType {
    /// libpcap's name and number; the number alone if libpcap does not know it.
    public var name: String {
        // SAFETY: the answer is a terminated text that stays, or nil.
        guard let name = unsafe pcap_datalink_val_to_name(rawValue) else { return String(rawValue) }
        return unsafe "\(String(cString: name)) (\(rawValue))"
    }
}
