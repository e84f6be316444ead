// swift-tools-version:6.3
import PackageDescription

let testing: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// One executable a body; see README.md for how they are built and run.
func fuzzer(_ name: String) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["FuzzDriver", .product(name: "FuzzBodies", package: "weir")],
        swiftSettings: testing
    )
}

let package = Package(
    name: "weir-fuzz",
    dependencies: [
        .package(name: "weir", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .target(name: "CFuzzDriver"),
        .target(name: "FuzzDriver", dependencies: ["CFuzzDriver"], swiftSettings: testing),
        fuzzer("FuzzHessian"),
        fuzzer("FuzzSerializations"),
        fuzzer("FuzzDubboSession"),
        fuzzer("FuzzReplyPatch"),
        fuzzer("FuzzCapture"),
        fuzzer("FuzzJSON"),
        fuzzer("FuzzEventStream"),
        fuzzer("FuzzHTTP1Session"),
        fuzzer("FuzzHTTP2Session"),
        fuzzer("FuzzHPACK"),
        .executableTarget(
            name: "FuzzHPACKDifferential",
            dependencies: [
                "FuzzDriver",
                .product(name: "WeirCore", package: "weir"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ],
            swiftSettings: testing
        ),
    ]
)
