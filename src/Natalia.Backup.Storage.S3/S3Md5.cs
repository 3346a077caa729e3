using System.Security.Cryptography;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>The hash that the protocol has. It guards against damage on the way, not against malice: for that there are
/// the repository's own.</summary>
internal static class S3Md5
{
#pragma warning disable CA5351
    internal static string Text(byte[] bytes)
    {
        using MD5 hash = MD5.Create();
        return Convert.ToBase64String(hash.ComputeHash(bytes));
    }

    internal static Task<byte[]> OfAsync(ObjectContent content, CancellationToken cancellationToken) =>
        Task.Run(() => Of(content, cancellationToken), cancellationToken);

    private static byte[] Of(ObjectContent content, CancellationToken cancellationToken)
    {
        const int step = 1 << 20;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        foreach (ReadOnlyMemory<byte> part in content.Parts)
        {
            for (int at = 0; at < part.Length; at += step)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadOnlyMemory<byte> piece = part.Slice(at, Math.Min(step, part.Length - at));
#if NET8_0_OR_GREATER
                hash.AppendData(piece.Span);
#else
                byte[] bytes = piece.ToArray();
                hash.AppendData(bytes, 0, bytes.Length);
#endif
            }
        }
        return hash.GetHashAndReset();
    }
#pragma warning restore CA5351
}
