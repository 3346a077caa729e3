namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>The head of an entry of the log whose checksum was right.</summary>
/// <param name="Position">Where in the log it begins, in bytes.</param>
/// <param name="Length">How long it is.</param>
/// <param name="Tail">Where in the log the oldest entry begins that is to be replayed with it.</param>
/// <param name="SequenceNumber">Its number.</param>
/// <param name="Descriptors">How many descriptors it has.</param>
/// <param name="FlushedFileOffset">The file is at least this long.</param>
/// <param name="LastFileOffset">How long the file is after the replay, at least.</param>
internal sealed record VhdxLogEntry(long Position, long Length, long Tail, ulong SequenceNumber, int Descriptors,
    long FlushedFileOffset, long LastFileOffset);
