namespace Natalia.Backup.Serving.Nbd;

/// <summary>
/// Numbers of the NBD protocol, from doc/proto.md of the NBD project (github.com/NetworkBlockDevice/nbd).
/// </summary>
internal static class NbdWords
{
    internal const ulong Magic = 0x4E42444D41474943, OptionMagic = 0x49484156454F5054, ReplyMagic = 0x3E889045565A9;
    internal const uint RequestMagic = 0x25609513, SimpleMagic = 0x67446698, StructuredMagic = 0x668E33EF;

    // Handshake flags, of the server and of the client.
    internal const ushort FixedNewstyle = 1, NoZeroes = 2;

    // Options.
    internal const uint OptionExportName = 1, OptionAbort = 2, OptionList = 3, OptionStartTls = 5, OptionInfo = 6,
        OptionGo = 7, OptionStructuredReply = 8, OptionListMeta = 9, OptionSetMeta = 10;

    // Replies to options.
    internal const uint ReplyAck = 1, ReplyServer = 2, ReplyInfo = 3, ReplyMeta = 4, ReplyUnsupported = 0x80000001,
        ReplyPolicy = 0x80000002, ReplyInvalid = 0x80000003, ReplyTlsRequired = 0x80000005,
        ReplyUnknown = 0x80000006, ReplyTooBig = 0x80000009;

    // Kinds of information.
    internal const ushort InfoExport = 0, InfoName = 1, InfoDescription = 2, InfoBlockSize = 3;

    // Transmission flags.
    internal const ushort HasFlags = 1, ReadOnly = 2, SendFlush = 4, SendFua = 8, SendTrim = 32, SendWriteZeroes = 64,
        SendDf = 128, CanMultiConn = 256;

    // Commands and their flags.
    internal const ushort Read = 0, Write = 1, Disconnect = 2, Flush = 3, Trim = 4, Cache = 5,
        WriteZeroes = 6, BlockStatus = 7;
    internal const ushort FlagFua = 1, FlagNoHole = 2, FlagDf = 4, FlagReqOne = 8;

    // Chunks of structured replies.
    internal const ushort ChunkDone = 1;
    internal const ushort ChunkNone = 0, ChunkData = 1, ChunkStatus = 5, ChunkError = 0x8001;

    // Errors.
    internal const uint NotPermitted = 1, InputOutput = 5, Invalid = 22, NoSpace = 28, Overflow = 75;

    // base:allocation.
    internal const uint Hole = 1, Zero = 2;
    internal const string AllocationContext = "base:allocation";

    /// <summary>No request carries or asks for more bytes.</summary>
    internal const uint LargestPayload = 32 << 20;

    /// <summary>No option has more data; names have at most 4,096 bytes.</summary>
    internal const uint LargestOption = 64 * 1024;

    internal const int LongestName = 4096;
}
