using System.Security.Cryptography;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Exports;

namespace Natalia.Backup.Operations.Reports;

/// <summary>
/// Writes a report's file as Set-Content treats names: one that is there is replaced, one that is read-only is not
/// unless that was said, a link stays a link. Unlike there the name never shows half of it.
/// </summary>
internal static class ReportDestination
{
    /// <summary>Refuses early what the writing would refuse late.</summary>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>.</exception>
    internal static void EnsureWritable(string file, bool force)
    {
        ExportDestination.EnsureWritable(file, overwrite: true);
        if (Directory.Exists(file))
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.InvalidArgument,
                $"'{file}' is a folder.", file, "Name a file in it.");
        if (!force && File.Exists(file) && new FileInfo(file).IsReadOnly)
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.PermissionDenied,
                $"The file '{file}' is read-only.", file, "Name another one, or say -Force to replace it.");
    }

    /// <summary>Writes it.</summary>
    /// <param name="file">A full path.</param>
    /// <param name="force">Replace a file that is read-only.</param>
    /// <param name="write">Writes the bytes.</param>
    /// <returns>How many bytes, and their SHA-256 in lowercase hexadecimal digits.</returns>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>.</exception>
    internal static (long SizeBytes, string Sha256) Write(string file, bool force, Action<Stream> write)
    {
        EnsureWritable(file, force);
        using var hash = SHA256.Create();
        long size = 0;
        if (force && File.Exists(file)) new FileInfo(file).IsReadOnly = false;
        AtomicFile.Write(file, stream =>
        {
            using var hashing = new CryptoStream(new Uncloseable(stream), hash, CryptoStreamMode.Write);
            write(hashing);
            hashing.FlushFinalBlock();
            size = stream.Length;
        });
        return (size, Hex.ToString(hash.Hash!));
    }

    /// <summary>A CryptoStream closes what it writes to, on both frameworks; the file is flushed to the disk first.
    /// </summary>
    private sealed class Uncloseable(Stream inner) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() => inner.Flush();
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
