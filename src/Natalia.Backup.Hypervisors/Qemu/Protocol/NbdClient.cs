using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>
/// A connection to one export of an NBD server (doc/proto.md of NBD): fixed newstyle, structured replies, and the
/// contexts that tell what is allocated and what changed. Only reads. One request at a time; another connection is
/// another request. Nothing is allocated by what the server claims.
/// </summary>
internal sealed class NbdClient : IDisposable
{
    /// <summary>The context that tells what may hold something other than zeros.</summary>
    internal const string Allocation = "base:allocation";

    /// <summary>How much is read by one request: within what every server must take.</summary>
    private const int MostRead = 4 * 1024 * 1024;

    /// <summary>No answer during the handshake is longer; names and messages are short.</summary>
    private const int MostOptionBytes = 64 * 1024;

    /// <summary>A list of more extents at once is no answer of QEMU.</summary>
    private const int MostStatusBytes = 8 * 1024 * 1024;

    private const ulong Magic = 0x4E42444D41474943, OptionMagic = 0x49484156454F5054,
        OptionReplyMagic = 0x3E889045565A9;
    private const uint RequestMagic = 0x25609513, SimpleMagic = 0x67446698, StructuredMagic = 0x668E33EF;
    private const uint OptionGo = 7, OptionStructured = 8, OptionSetContext = 10, Ack = 1, Info = 3, Context = 4;
    private const ushort CommandRead = 0, CommandStatus = 7;
    private const ushort ChunkNone = 0, ChunkData = 1, ChunkHole = 2, ChunkStatus = 5, ChunkError = 0x8000, Done = 1;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    private readonly Stream _stream;
    private readonly string _export;
    private readonly Dictionary<uint, string> _contexts = [];
    private ulong _handle;
    private bool _isBroken;

    private NbdClient(Stream stream, string export) => (_stream, _export) = (stream, export);

    /// <summary>The size of the export in bytes.</summary>
    internal long SizeBytes { get; private set; }

    /// <summary>Whether another request can be made.</summary>
    internal bool IsUsable => !_isBroken;

    /// <summary>Connects to an export of a server behind a socket.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="export">The export's name.</param>
    /// <param name="contexts">What its extents are asked for.</param>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    internal static async Task<NbdClient> ConnectAsync(string path, string export, IReadOnlyList<string> contexts,
        CancellationToken cancellationToken)
    {
        Stream stream;
        try
        {
            stream = await UnixSocket.ConnectAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw Failed(export, $"the server behind '{path}' does not answer", e);
        }
        return await StartAsync(stream, export, contexts, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Begins on a stream, which belongs to the client from then on.</summary>
    internal static async Task<NbdClient> StartAsync(Stream stream, string export, IReadOnlyList<string> contexts,
        CancellationToken cancellationToken)
    {
        var client = new NbdClient(stream, export);
        try
        {
            await client.GuardAsync(() => client.NegotiateAsync(contexts, cancellationToken), cancellationToken)
                .ConfigureAwait(false);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Fills the buffer.</summary>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    internal Task ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        GuardAsync(async () =>
    {
        for (int at = 0; at < buffer.Length; at += MostRead)
        {
            Memory<byte> piece = buffer.Slice(at, Math.Min(MostRead, buffer.Length - at));
            await ReadPieceAsync(offset + at, piece, cancellationToken).ConfigureAwait(false);
        }
    }, cancellationToken);

    /// <summary>
    /// What the export says of a range by one of the contexts: extents with their flags, in order, without gaps, from
    /// the beginning of the range on; not necessarily to its end.
    /// </summary>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    internal async Task<IReadOnlyList<(long Length, uint Flags)>> GetStatusAsync(string context, long offset,
        uint length, CancellationToken cancellationToken)
    {
        var found = new List<(long, uint)>();
        await GuardAsync(async () =>
        {
            if (!_contexts.Values.Contains(context, StringComparer.Ordinal))
                throw Failed(_export, $"the server does not tell '{context}'");
            await SendAsync(CommandStatus, offset, length, cancellationToken).ConfigureAwait(false);
            while (true)
            {
                (ushort flags, ushort type, uint size) = await ReadChunkAsync(cancellationToken).ConfigureAwait(false);
                if (type == ChunkStatus) await ReadExtentsAsync(size).ConfigureAwait(false);
                else await ReadOtherAsync(type, size, cancellationToken).ConfigureAwait(false);
                if ((flags & Done) != 0) break;
            }
        }, cancellationToken).ConfigureAwait(false);
        return found.Count > 0 ? found : throw Failed(_export, $"the server said nothing of '{context}' at {offset}");

        async Task ReadExtentsAsync(uint size)
        {
            if (size is < 12 or > MostStatusBytes || size % 8 != 4) throw Strange("a list of extents of odd length");
            byte[] list = await ReadBytesAsync((int)size, cancellationToken).ConfigureAwait(false);
            if (!_contexts.TryGetValue(BinaryPrimitives.ReadUInt32BigEndian(list), out string? name)
                || name != context) return;
            long covered = 0;
            for (int at = 4; at < list.Length && covered < length; at += 8)
            {
                long extent = BinaryPrimitives.ReadUInt32BigEndian(list.AsSpan(at));
                if (extent == 0) throw Strange("an extent without a length");
                // The last one may go on behind what was asked for.
                found.Add((Math.Min(extent, length - covered),
                    BinaryPrimitives.ReadUInt32BigEndian(list.AsSpan(at + 4))));
                covered += extent;
            }
        }
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose() => _stream.Dispose();

    private async Task NegotiateAsync(IReadOnlyList<string> contexts, CancellationToken cancellationToken)
    {
        byte[] greeting = await ReadBytesAsync(18, cancellationToken).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != Magic
            || BinaryPrimitives.ReadUInt64BigEndian(greeting.AsSpan(8)) != OptionMagic)
            throw Strange("no greeting of the newer kind");
        uint flags = BinaryPrimitives.ReadUInt16BigEndian(greeting.AsSpan(16));
        if ((flags & 1) == 0) throw Strange("no fixed newstyle");
        byte[] answer = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(answer, flags & 3);
        await WriteAsync(answer, cancellationToken).ConfigureAwait(false);

        await OptionAsync(OptionStructured, [], (_, _) => { }, cancellationToken).ConfigureAwait(false);
        byte[] name = Encoding.UTF8.GetBytes(_export);
        byte[] queries = [.. Number(name.Length), .. name, .. Number(contexts.Count), .. contexts.SelectMany(c =>
        {
            byte[] query = Encoding.UTF8.GetBytes(c);
            return Number(query.Length).Concat(query);
        })];
        await OptionAsync(OptionSetContext, queries, (type, data) =>
        {
            if (type != Context || data.Length < 4 || _contexts.Count > contexts.Count) throw Strange("no context");
            _contexts[BinaryPrimitives.ReadUInt32BigEndian(data)] = Encoding.UTF8.GetString(data, 4, data.Length - 4);
        }, cancellationToken).ConfigureAwait(false);
        if (contexts.FirstOrDefault(c => !_contexts.ContainsValue(c)) is string missing)
            throw Failed(_export, $"the server does not tell '{missing}'");
        bool isSized = false;
        await OptionAsync(OptionGo, [.. Number(name.Length), .. name, 0, 0], (type, data) =>
        {
            if (type != Info || data.Length < 2) throw Strange("no information of the export");
            if (BinaryPrimitives.ReadUInt16BigEndian(data) != 0) return;
            if (data.Length != 12) throw Strange("no size of the export");
            ulong size = BinaryPrimitives.ReadUInt64BigEndian(data.AsSpan(2));
            SizeBytes = size <= long.MaxValue ? (long)size : throw Strange("a size that no disk has");
            isSized = true;
        }, cancellationToken).ConfigureAwait(false);
        if (!isSized) throw Strange("no size of the export");
    }

    /// <summary>Negotiates one option until the server acknowledges it.</summary>
    private async Task OptionAsync(uint option, byte[] data, Action<uint, byte[]> onReply,
        CancellationToken cancellationToken)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(header, OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(12), (uint)data.Length);
        await WriteAsync([.. header, .. data], cancellationToken).ConfigureAwait(false);
        const int mostReplies = 100;
        for (int i = 0; i < mostReplies; i++)
        {
            byte[] reply = await ReadBytesAsync(20, cancellationToken).ConfigureAwait(false);
            if (BinaryPrimitives.ReadUInt64BigEndian(reply) != OptionReplyMagic
                || BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(8)) != option)
                throw Strange("an answer to another question");
            uint type = BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(12)),
                length = BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(16));
            if (length > MostOptionBytes) throw Strange("an answer that is too long");
            byte[] said = await ReadBytesAsync((int)length, cancellationToken).ConfigureAwait(false);
            if (type == Ack) return;
            if ((type & 0x80000000) != 0)
                throw Failed(_export, $"the server refused option {option}: "
                    + (said.Length > 0 ? Encoding.UTF8.GetString(said) : $"error {type & 0x7FFFFFFF}"));
            onReply(type, said);
        }
        throw Strange("answers without an end");
    }

    private async Task ReadPieceAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await SendAsync(CommandRead, offset, (uint)buffer.Length, cancellationToken).ConfigureAwait(false);
        long covered = 0;
        while (true)
        {
            (ushort flags, ushort type, uint size) = await ReadChunkAsync(cancellationToken).ConfigureAwait(false);
            if (type is ChunkData or ChunkHole)
            {
                if (type == ChunkHole ? size != 12 : size is < 9 or > MostRead + 8)
                    throw Strange("a chunk of odd length");
                byte[] head = await ReadBytesAsync(type == ChunkHole ? 12 : 8, cancellationToken).ConfigureAwait(false);
                ulong at = BinaryPrimitives.ReadUInt64BigEndian(head) - (ulong)offset;
                uint length = type == ChunkHole ? BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)) : size - 8;
                if (at > (ulong)buffer.Length || length > (ulong)buffer.Length - at)
                    throw Strange("bytes that were not asked for");
                Memory<byte> piece = buffer.Slice((int)at, (int)length);
                if (type == ChunkHole) piece.Span.Clear();
                else await ReadIntoAsync(piece, cancellationToken).ConfigureAwait(false);
                covered += length;
            }
            else await ReadOtherAsync(type, size, cancellationToken).ConfigureAwait(false);
            if ((flags & Done) != 0) break;
        }
        if (covered != buffer.Length) throw Strange("fewer bytes than were asked for");
    }

    private async Task SendAsync(ushort command, long offset, uint length, CancellationToken cancellationToken)
    {
        byte[] request = new byte[28];
        BinaryPrimitives.WriteUInt32BigEndian(request, RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(request.AsSpan(8), ++_handle);
        BinaryPrimitives.WriteUInt64BigEndian(request.AsSpan(16), (ulong)offset);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(24), length);
        await WriteAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(ushort Flags, ushort Type, uint Size)> ReadChunkAsync(CancellationToken cancellationToken)
    {
        byte[] head = await ReadBytesAsync(16, cancellationToken).ConfigureAwait(false);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(head);
        if (magic == SimpleMagic)
            throw Failed(_export,
                $"the server answered with error {BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(4))}");
        if (magic != StructuredMagic || BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(8)) != _handle)
            throw Strange("an answer to another question");
        byte[] size = await ReadBytesAsync(4, cancellationToken).ConfigureAwait(false);
        return (BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(4)),
            BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(6)), BinaryPrimitives.ReadUInt32BigEndian(size));
    }

    /// <summary>Any chunk but those with what was asked for: the end, or an error.</summary>
    private async Task ReadOtherAsync(ushort type, uint size, CancellationToken cancellationToken)
    {
        if (type == ChunkNone && size == 0) return;
        if ((type & ChunkError) == 0 || size is < 6 or > MostOptionBytes) throw Strange($"a chunk of kind {type}");
        byte[] said = await ReadBytesAsync((int)size, cancellationToken).ConfigureAwait(false);
        int length = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(said.AsSpan(4)), said.Length - 6);
        string words = Encoding.UTF8.GetString(said, 6, length);
        throw Failed(_export, "the server answered with error "
            + $"{BinaryPrimitives.ReadUInt32BigEndian(said)}{(words.Length > 0 ? ": " + words : "")}");
    }

    private async Task<byte[]> ReadBytesAsync(int count, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[count];
        await ReadIntoAsync(bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }

    private async Task ReadIntoAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
#if NET8_0_OR_GREATER
            int read = await _stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
#else
            byte[] piece = new byte[Math.Min(buffer.Length, 64 * 1024)];
            int read = await _stream.ReadAsync(piece, 0, piece.Length, cancellationToken).ConfigureAwait(false);
            piece.AsSpan(0, read).CopyTo(buffer.Span);
#endif
            if (read == 0) throw new EndOfStreamException("The server closed the connection.");
            buffer = buffer.Slice(read);
        }
    }

    private Task WriteAsync(byte[] bytes, CancellationToken cancellationToken) =>
        _stream.WriteAsync(bytes, 0, bytes.Length, cancellationToken);

    /// <summary>After any trouble nobody knows where in the stream the next answer begins.</summary>
    private async Task GuardAsync(Func<Task> deed, CancellationToken cancellationToken)
    {
        if (_isBroken) throw Failed(_export, "the connection broke off before");
        _isBroken = true;
        // A stalled server is given up; the socket is closed under the read, which takes no token on every framework.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_limit);
        using CancellationTokenRegistration stop = limit.Token.Register(_stream.Dispose);
        try
        {
            await deed().ConfigureAwait(false);
            _isBroken = false;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Failed(_export, e.Message.TrimEnd('.'), e);
        }
    }

    private NataliaException Strange(string what) => Failed(_export, $"the server sent {what}");

    internal static NataliaException Failed(string export, string why, Exception? inner = null) =>
        new(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
        $"The frozen disk '{export}' cannot be read: {why}.", export,
        "See whether the VM still runs, and whether there is room beside its disks.", inner);

    private static byte[] Number(int number)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }
}
