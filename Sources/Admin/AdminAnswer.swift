public import Calls

/// An answer of the admin API.
public struct AdminAnswer: Equatable, Sendable {
    /// The HTTP status.
    public var status: Int
    /// The content's type.
    public var contentType: String
    /// The content.
    public var body: [UInt8]

    /// An answer in JSON.
    ///
    /// - Parameters:
    ///   - status: The HTTP status.
    ///   - json: The content.
    public init(status: Int = 200, _ json: JSONText) {
        self.status = status
        contentType = "application/json"
        body = json.bytes
    }

    /// An answer that is plain text.
    ///
    /// - Parameters:
    ///   - contentType: Its type.
    ///   - text: The content.
    public init(contentType: String, text: String) {
        status = 200
        self.contentType = contentType
        body = Array(text.utf8)
    }

    /// An answer that tells why a request was not carried out.
    ///
    /// - Parameters:
    ///   - status: The HTTP status.
    ///   - text: The reason in a line.
    ///   - details: Each thing that is wrong, if there may be several.
    /// - Returns: An object with `error`, and `problems` if there are details.
    public static func problem(_ status: Int, _ text: String, details: [String] = []) -> AdminAnswer {
        var json = JSONText()
        json.beginObject()
        json.key("error")
        json.string(text)
        if !details.isEmpty {
            json.key("problems")
            json.beginArray()
            for detail in details { json.string(detail) }
            json.endArray()
        }
        json.endObject()
        json.endLine()
        return AdminAnswer(status: status, json)
    }
}
