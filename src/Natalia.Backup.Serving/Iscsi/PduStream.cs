using System.Buffers;
using System.Buffers.Binary;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Serving.Network;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>
/// Reads and sends PDUs, with digests where they were agreed on. One reader; any number of senders. What a PDU claims
/// to carry is bounded before it is read.
/// </summary>
internal sealed class PduStream(Stream stream) : IDisposable
{
    /// <summary>What this side takes in one PDU.</summary>
    internal const int LargestData = 256 * 1024;

    private readonly PeerReader _reader = new(stream);
    private readonly PeerWriter _writer = new(stream);
    private readonly byte[] _digest = new byte[4];

    internal bool HasHeaderDigest { get; set; }

    internal bool HasDataDigest { get; set; }

    /// <exception cref="IscsiProtocolException">It is none, or is damaged.</exception>
    internal async Task<Pdu> ReadAsync(CancellationToken cancellationToken)
    {
        byte[] header = await _reader.ReadAsync(Pdu.HeaderBytes, cancellationToken).ConfigureAwait(false);
        int more = header[4] * 4, length = header[5] << 16 | header[6] << 8 | header[7];
        if (length > LargestData) throw new IscsiProtocolException("A PDU claims too much data.");
        byte[] additional = more == 0 ? [] : await _reader.ReadAsync(more, cancellationToken).ConfigureAwait(false);
        if (HasHeaderDigest)
            await CheckAsync(~Crc32C.Update(Crc32C.Update(uint.MaxValue, header), additional), cancellationToken)
                .ConfigureAwait(false);
        if (length == 0) return new Pdu(header, []);
        var data = new byte[(length + 3) & ~3];
        await _reader.ReadAsync(data, cancellationToken).ConfigureAwait(false);
        if (HasDataDigest) await CheckAsync(Crc32C.Of(data), cancellationToken).ConfigureAwait(false);
        return new Pdu(header, data) { Data = data.AsMemory(0, length) };
    }

    internal Task WriteAsync(Pdu pdu, CancellationToken cancellationToken) =>
        WriteAsync(pdu, null, cancellationToken, cancellationToken);

    /// <summary>Sends a PDU.</summary>
    /// <param name="pdu">The PDU.</param>
    /// <param name="number">Gives it its numbers, when its turn has come: they must be sent in their order.</param>
    /// <param name="turn">Ends the wait for its turn, as long as nothing of it is sent.</param>
    /// <param name="cancellationToken">Ends the sending, and with it the connection: behind a part of a PDU nobody
    /// finds the next one.</param>
    internal async Task WriteAsync(Pdu pdu, Action<Pdu>? number, CancellationToken turn,
        CancellationToken cancellationToken)
    {
        int length = pdu.Data.Length, padded = (length + 3) & ~3;
        int total = Pdu.HeaderBytes + padded + (HasHeaderDigest ? 4 : 0) + (HasDataDigest && length > 0 ? 4 : 0);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(total);
        try
        {
            await _writer.TogetherAsync(async peer =>
            {
                number?.Invoke(pdu);
                pdu.Header[5] = (byte)(length >> 16);
                pdu.Header[6] = (byte)(length >> 8);
                pdu.Header[7] = (byte)length;
                Fill(pdu, bytes, length, padded);
                await peer.WriteAsync(bytes, 0, total, cancellationToken).ConfigureAwait(false);
            }, turn).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Fill(Pdu pdu, byte[] bytes, int length, int padded)
    {
        pdu.Header.CopyTo(bytes, 0);
        int at = Pdu.HeaderBytes;
        if (HasHeaderDigest)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), Crc32C.Of(pdu.Header));
            at += 4;
        }
        if (length == 0) return;
        pdu.Data.Span.CopyTo(bytes.AsSpan(at));
        bytes.AsSpan(at + length, padded - length).Clear();
        if (HasDataDigest)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at + padded), Crc32C.Of(bytes.AsSpan(at, padded)));
    }

    /// <summary>A digest's bytes come with the lowest first.</summary>
    private async Task CheckAsync(uint expected, CancellationToken cancellationToken)
    {
        await _reader.ReadAsync(_digest, cancellationToken).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt32LittleEndian(_digest) != expected)
            throw new IscsiProtocolException("A digest is wrong.");
    }

    public void Dispose() => _writer.Dispose();
}
