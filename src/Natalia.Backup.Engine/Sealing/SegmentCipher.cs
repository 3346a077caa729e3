using System.Buffers.Binary;
#if NET8_0_OR_GREATER
using System.Security.Cryptography;
#else
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Modes;
using Org.BouncyCastle.Crypto.Parameters;
#endif

namespace Natalia.Backup.Engine.Sealing;

/// <summary>
/// Seals and opens the segments of one object with AES-256-GCM: nonce = ordinal (4 bytes little endian) and 8 zero
/// bytes, tag of 16 bytes behind the ciphertext. A key belongs to one object id and an ordinal to one segment, so a
/// nonce is used once. Not thread-safe.
/// </summary>
internal sealed class SegmentCipher : IDisposable
{
    internal const int TagLength = 16;

#if NET8_0_OR_GREATER
    private readonly AesGcm? _aes;

    internal SegmentCipher(byte[]? key) => _aes = key is null ? null : new AesGcm(key, TagLength);

    internal int Overhead => _aes is null ? 0 : TagLength;

    internal void Seal(int ordinal, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plain, Span<byte> stored)
    {
        if (_aes is null)
        {
            plain.CopyTo(stored);
            return;
        }
        Span<byte> nonce = stackalloc byte[12];
        Nonce(ordinal, nonce);
        _aes.Encrypt(nonce, plain, stored.Slice(0, plain.Length), stored.Slice(plain.Length, TagLength), associated);
    }

    /// <returns>False when the bytes are not what was sealed.</returns>
    internal bool TryOpen(int ordinal, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> stored, Span<byte> plain)
    {
        if (_aes is null)
        {
            stored.CopyTo(plain);
            return true;
        }
        if (stored.Length < TagLength) return false;
        Span<byte> nonce = stackalloc byte[12];
        Nonce(ordinal, nonce);
        try
        {
            _aes.Decrypt(nonce, stored.Slice(0, stored.Length - TagLength), stored.Slice(stored.Length - TagLength),
                plain, associated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    public void Dispose() => _aes?.Dispose();
#else
    private readonly byte[]? _key;

    internal SegmentCipher(byte[]? key) => _key = (byte[]?)key?.Clone();

    internal int Overhead => _key is null ? 0 : TagLength;

    internal void Seal(int ordinal, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plain, Span<byte> stored)
    {
        if (_key is null)
        {
            plain.CopyTo(stored);
            return;
        }
        byte[] output = Process(true, ordinal, associated, plain);
        output.CopyTo(stored);
    }

    /// <returns>False when the bytes are not what was sealed.</returns>
    internal bool TryOpen(int ordinal, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> stored, Span<byte> plain)
    {
        if (_key is null)
        {
            stored.CopyTo(plain);
            return true;
        }
        try
        {
            Process(false, ordinal, associated, stored).CopyTo(plain);
            return true;
        }
        catch (InvalidCipherTextException)
        {
            return false;
        }
    }

    private byte[] Process(bool seal, int ordinal, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> input)
    {
        var nonce = new byte[12];
        Nonce(ordinal, nonce);
        var gcm = new GcmBlockCipher(new AesEngine());
        gcm.Init(seal, new AeadParameters(new KeyParameter(_key!), TagLength * 8, nonce, associated.ToArray()));
        byte[] source = input.ToArray();
        var output = new byte[gcm.GetOutputSize(source.Length)];
        int written = gcm.ProcessBytes(source, 0, source.Length, output, 0);
        gcm.DoFinal(output, written);
        return output;
    }

    public void Dispose()
    {
        if (_key is not null) Array.Clear(_key, 0, _key.Length);
    }
#endif

    private static void Nonce(int ordinal, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(nonce, (uint)ordinal);
    }
}
