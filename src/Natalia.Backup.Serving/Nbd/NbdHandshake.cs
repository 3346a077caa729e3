using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Network;

namespace Natalia.Backup.Serving.Nbd;

/// <summary>
/// What client and server agree on before the first request: which disk, and how. What a client sends is bounded before
/// it is read.
/// </summary>
internal sealed class NbdHandshake : IDisposable
{
    /// <summary>More options than anybody needs.</summary>
    private const int MostOptions = 1000;

    private readonly IReadOnlyList<NbdExport> _exports;
    private readonly NbdTls? _tls;
    private readonly Stream _plain;
    private bool _isSecure, _skipsZeroes;
    private NbdExport? _allocationOf;

    internal NbdHandshake(Stream stream, IReadOnlyList<NbdExport> exports, NbdTls? tls)
    {
        (_exports, _tls, _plain) = (exports, tls, stream);
        (Stream, Reader) = (stream, new PeerReader(stream));
    }

    /// <summary>The connection, encrypted where that was agreed on.</summary>
    internal Stream Stream { get; private set; }

    internal PeerReader Reader { get; private set; }

    internal bool HasStructuredReplies { get; private set; }

    /// <summary>Whether the client wants to be told what is allocated, of the disk that it chose.</summary>
    internal bool HasAllocation { get; private set; }

    /// <summary>Runs the handshake.</summary>
    /// <returns>The disk that the client chose; null when it went.</returns>
    internal async Task<NbdExport?> ExecuteAsync(CancellationToken cancellationToken)
    {
        var hello = new byte[18];
        BinaryPrimitives.WriteUInt64BigEndian(hello, NbdWords.Magic);
        BinaryPrimitives.WriteUInt64BigEndian(hello.AsSpan(8), NbdWords.OptionMagic);
        BinaryPrimitives.WriteUInt16BigEndian(hello.AsSpan(16), NbdWords.FixedNewstyle | NbdWords.NoZeroes);
        await SendAsync(hello, cancellationToken).ConfigureAwait(false);
        uint flags = await Reader.ReadUInt32Async(cancellationToken).ConfigureAwait(false);
        // An unknown flag asks for something that nobody here would do.
        if ((flags & ~(uint)(NbdWords.FixedNewstyle | NbdWords.NoZeroes)) != 0) return null;
        _skipsZeroes = (flags & NbdWords.NoZeroes) != 0;
        for (int n = 0; n < MostOptions; n++)
        {
            byte[] head = await Reader.ReadAsync(16, cancellationToken).ConfigureAwait(false);
            if (BinaryPrimitives.ReadUInt64BigEndian(head) != NbdWords.OptionMagic) return null;
            uint option = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8));
            uint length = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12));
            if (length > NbdWords.LargestOption)
            {
                // A name that long is nobody's, and there is no answer to this option but the disk.
                if (option == NbdWords.OptionExportName) return null;
                await Reader.SkipAsync(length, cancellationToken).ConfigureAwait(false);
                await ReplyAsync(option, NbdWords.ReplyTooBig, [], cancellationToken).ConfigureAwait(false);
                continue;
            }
            byte[] data = await Reader.ReadAsync((int)length, cancellationToken).ConfigureAwait(false);
            (bool ended, NbdExport? chosen) = await AnswerAsync(option, data, cancellationToken).ConfigureAwait(false);
            if (ended) return chosen;
        }
        return null;
    }

    private async Task<(bool Ended, NbdExport? Chosen)> AnswerAsync(uint option, byte[] data,
        CancellationToken cancellationToken)
    {
        if (_tls is not null && !_isSecure && option is not (NbdWords.OptionStartTls or NbdWords.OptionAbort))
        {
            if (option == NbdWords.OptionExportName) return (true, null);
            await ReplyAsync(option, NbdWords.ReplyTlsRequired, Text("This server speaks TLS only."),
                cancellationToken).ConfigureAwait(false);
            return (false, null);
        }
        switch (option)
        {
            case NbdWords.OptionExportName:
                if (Find(data) is not NbdExport named) return (true, null);
                HasAllocation = false;
                await SendAsync(OldAnswer(named), cancellationToken).ConfigureAwait(false);
                return (true, named);
            case NbdWords.OptionAbort:
                await ReplyAsync(option, NbdWords.ReplyAck, [], cancellationToken).ConfigureAwait(false);
                return (true, null);
            case NbdWords.OptionList:
                await ListAsync(data, cancellationToken).ConfigureAwait(false);
                return (false, null);
            case NbdWords.OptionStartTls:
                await StartTlsAsync(data, cancellationToken).ConfigureAwait(false);
                return (false, null);
            case NbdWords.OptionInfo or NbdWords.OptionGo:
                NbdExport? chosen = await TellAsync(option, data, cancellationToken).ConfigureAwait(false);
                return (option == NbdWords.OptionGo && chosen is not null, chosen);
            case NbdWords.OptionStructuredReply:
                HasStructuredReplies |= data.Length == 0;
                await ReplyAsync(option, data.Length == 0 ? NbdWords.ReplyAck : NbdWords.ReplyInvalid, [],
                    cancellationToken).ConfigureAwait(false);
                return (false, null);
            case NbdWords.OptionListMeta or NbdWords.OptionSetMeta:
                await MetaAsync(option, data, cancellationToken).ConfigureAwait(false);
                return (false, null);
            default:
                await ReplyAsync(option, NbdWords.ReplyUnsupported, [], cancellationToken).ConfigureAwait(false);
                return (false, null);
        }
    }

    private async Task ListAsync(byte[] data, CancellationToken cancellationToken)
    {
        if (data.Length > 0)
        {
            await ReplyAsync(NbdWords.OptionList, NbdWords.ReplyInvalid, [], cancellationToken).ConfigureAwait(false);
            return;
        }
        foreach (NbdExport export in _exports)
        {
            byte[] name = Encoding.UTF8.GetBytes(export.Name);
            await ReplyAsync(NbdWords.OptionList, NbdWords.ReplyServer,
                [.. Number((uint)name.Length), .. name, .. Text(export.Description)],
                cancellationToken).ConfigureAwait(false);
        }
        await ReplyAsync(NbdWords.OptionList, NbdWords.ReplyAck, [], cancellationToken).ConfigureAwait(false);
    }

    private async Task StartTlsAsync(byte[] data, CancellationToken cancellationToken)
    {
        // What came behind the option in the clear was not meant for the encrypted connection.
        if (data.Length > 0 || _isSecure || Reader.HasBuffered)
        {
            await ReplyAsync(NbdWords.OptionStartTls, NbdWords.ReplyInvalid, [], cancellationToken)
                .ConfigureAwait(false);
            return;
        }
        if (_tls is null)
        {
            await ReplyAsync(NbdWords.OptionStartTls, NbdWords.ReplyPolicy, Text("This server has no certificate."),
                cancellationToken).ConfigureAwait(false);
            return;
        }
        await ReplyAsync(NbdWords.OptionStartTls, NbdWords.ReplyAck, [], cancellationToken).ConfigureAwait(false);
        Stream = await _tls.AcceptAsync(_plain, cancellationToken).ConfigureAwait(false);
        Reader = new PeerReader(Stream);
        _isSecure = true;
        // Nothing that was said before counts.
        (HasStructuredReplies, _allocationOf) = (false, null);
    }

    private async Task<NbdExport?> TellAsync(uint option, byte[] data, CancellationToken cancellationToken)
    {
        if (data.Length < 6 || BinaryPrimitives.ReadUInt32BigEndian(data) is uint length && length > data.Length - 6
            || data.Length - 6 - BinaryPrimitives.ReadUInt32BigEndian(data)
                != 2L * BinaryPrimitives.ReadUInt16BigEndian(
                    data.AsSpan(4 + (int)BinaryPrimitives.ReadUInt32BigEndian(data))))
        {
            await ReplyAsync(option, NbdWords.ReplyInvalid, [], cancellationToken).ConfigureAwait(false);
            return null;
        }
        byte[] name = data.AsSpan(4, (int)BinaryPrimitives.ReadUInt32BigEndian(data)).ToArray();
        if (Find(name) is not NbdExport export)
        {
            await ReplyAsync(option, NbdWords.ReplyUnknown, Text("No disk of that name is served here."),
                cancellationToken).ConfigureAwait(false);
            return null;
        }
        var wanted = new HashSet<ushort>();
        for (int at = 6 + name.Length; at < data.Length; at += 2)
            wanted.Add(BinaryPrimitives.ReadUInt16BigEndian(data.AsSpan(at)));
        var size = new byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(size, NbdWords.InfoExport);
        BinaryPrimitives.WriteInt64BigEndian(size.AsSpan(2), export.Disk.SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(size.AsSpan(10), Flags(export.Disk));
        await ReplyAsync(option, NbdWords.ReplyInfo, size, cancellationToken).ConfigureAwait(false);
        if (wanted.Contains(NbdWords.InfoName))
            await ReplyAsync(option, NbdWords.ReplyInfo, [0, (byte)NbdWords.InfoName, .. Text(export.Name)],
                cancellationToken).ConfigureAwait(false);
        if (wanted.Contains(NbdWords.InfoDescription))
            await ReplyAsync(option, NbdWords.ReplyInfo,
                [0, (byte)NbdWords.InfoDescription, .. Text(export.Description)],
                cancellationToken).ConfigureAwait(false);
        if (wanted.Contains(NbdWords.InfoBlockSize))
            await ReplyAsync(option, NbdWords.ReplyInfo,
                [0, (byte)NbdWords.InfoBlockSize, .. Number(1), .. Number(export.Disk.IsReadOnly ? 65536u : 4096u),
                    .. Number(NbdWords.LargestPayload)],
                cancellationToken).ConfigureAwait(false);
        await ReplyAsync(option, NbdWords.ReplyAck, [], cancellationToken).ConfigureAwait(false);
        HasAllocation = ReferenceEquals(export, _allocationOf);
        return export;
    }

    private async Task MetaAsync(uint option, byte[] data, CancellationToken cancellationToken)
    {
        bool sets = option == NbdWords.OptionSetMeta;
        if (sets) _allocationOf = null;
        if (ParseMeta(data) is not var (name, queries) || !HasStructuredReplies)
        {
            await ReplyAsync(option, NbdWords.ReplyInvalid, [], cancellationToken).ConfigureAwait(false);
            return;
        }
        if (Find(name) is not NbdExport export)
        {
            await ReplyAsync(option, NbdWords.ReplyUnknown, [], cancellationToken).ConfigureAwait(false);
            return;
        }
        // A list without queries asks for everything; a namespace alone means all of it, where it is a list.
        if (queries.Contains(NbdWords.AllocationContext) || !sets && (queries.Count == 0 || queries.Contains("base:")))
        {
            if (sets) _allocationOf = export;
            await ReplyAsync(option, NbdWords.ReplyMeta,
                [.. Number(sets ? NbdSession.AllocationId : 0), .. Text(NbdWords.AllocationContext)],
                cancellationToken).ConfigureAwait(false);
        }
        await ReplyAsync(option, NbdWords.ReplyAck, [], cancellationToken).ConfigureAwait(false);
    }

    private static (byte[] Name, IReadOnlyList<string> Queries)? ParseMeta(byte[] data)
    {
        int at = 0;
        if (Take() is not byte[] name || data.Length - at < 4) return null;
        uint count = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(at));
        at += 4;
        var queries = new List<string>();
        for (uint i = 0; i < count; i++)
        {
            if (Take() is not byte[] query) return null;
            queries.Add(Encoding.UTF8.GetString(query));
        }
        return at == data.Length ? (name, queries) : null;

        byte[]? Take()
        {
            if (data.Length - at < 4) return null;
            uint length = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(at));
            at += 4;
            if (length > data.Length - at || length > NbdWords.LongestName) return null;
            byte[] text = data.AsSpan(at, (int)length).ToArray();
            at += (int)length;
            return text;
        }
    }

    private NbdExport? Find(byte[] name)
    {
        if (name.Length == 0) return _exports.Count > 0 ? _exports[0] : null;
        string text = Encoding.UTF8.GetString(name);
        return _exports.FirstOrDefault(e => e.Name == text);
    }

    private static ushort Flags(IServedDisk disk) => (ushort)(NbdWords.HasFlags | NbdWords.SendFlush | NbdWords.SendDf
        | NbdWords.CanMultiConn
        | (disk.IsReadOnly ? NbdWords.ReadOnly : NbdWords.SendFua | NbdWords.SendTrim | NbdWords.SendWriteZeroes));

    private byte[] OldAnswer(NbdExport export)
    {
        var bytes = new byte[_skipsZeroes ? 10 : 134];
        BinaryPrimitives.WriteInt64BigEndian(bytes, export.Disk.SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(8), Flags(export.Disk));
        return bytes;
    }

    private Task ReplyAsync(uint option, uint type, byte[] data, CancellationToken cancellationToken)
    {
        var bytes = new byte[20 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdWords.ReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), type);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(16), (uint)data.Length);
        data.CopyTo(bytes, 20);
        return SendAsync(bytes, cancellationToken);
    }

    private Task SendAsync(byte[] bytes, CancellationToken cancellationToken) =>
        Stream.WriteAsync(bytes, 0, bytes.Length, cancellationToken);

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Number(uint number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return bytes;
    }

    public void Dispose()
    {
        if (!ReferenceEquals(Stream, _plain)) Stream.Dispose();
    }
}
