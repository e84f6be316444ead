import Glibc
import Settings
import Testing

@Suite struct FileTests {
    @Test("a file is read under the name it was asked for, and its problems carry that name") func read() throws {
        var template = Array("/tmp/weir-settings-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        let text = Array("log: {level: loud}\n".utf8)
        #expect(write(descriptor, text, text.count) == text.count)
        let file = try SettingsFile(path: path)
        #expect(file == SettingsFile(name: path, bytes: text))
        do throws(ConfigurationProblems) {
            _ = try SettingsLoader(file: file).load()
            Issue.record("taken")
        } catch {
            #expect(error.description.hasPrefix("\(path):1:7: log.level: "))
        }

        #expect(ftruncate(descriptor, 64 << 20) == 0)
        #expect(try SettingsFile(path: path).bytes.count == YAMLDocument.maxBytes + 1)
    }

    @Test("a file that is missing is told from one that cannot be read") func problems() {
        func problem(_ path: String) -> FileProblem? {
            do throws(FileProblem) {
                _ = try SettingsFile(path: path)
                return nil
            } catch { return error }
        }
        #expect(problem("/tmp/no/such.yaml")?.description == "/tmp/no/such.yaml: No such file or directory")
        #expect(problem("/tmp/no/such.yaml")?.isMissing == true)
        #expect(problem("/dev/null/x")?.isMissing == true)
        #expect(problem("")?.isMissing == true)
        #expect(problem("a\0b")?.isMissing == true)
        #expect(problem("/tmp")?.description == "/tmp: Is a directory")
        #expect(problem("/tmp")?.isMissing == false)
        #expect(problem("/dev/null") == nil)
    }
}
