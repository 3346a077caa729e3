namespace Natalia.Backup.Engine.Storage;

/// <summary>Counts requests and bytes, from any thread.</summary>
public sealed class StoreMeter
{
    private long _puts, _reads, _stats, _lists, _deletes, _locks, _retries, _bytesWritten, _bytesRead;

    /// <summary>What was counted so far.</summary>
    public StoreUsage Usage => new()
    {
        Puts = Interlocked.Read(ref _puts),
        Reads = Interlocked.Read(ref _reads),
        Stats = Interlocked.Read(ref _stats),
        Lists = Interlocked.Read(ref _lists),
        Deletes = Interlocked.Read(ref _deletes),
        Locks = Interlocked.Read(ref _locks),
        Retries = Interlocked.Read(ref _retries),
        BytesWritten = Interlocked.Read(ref _bytesWritten),
        BytesRead = Interlocked.Read(ref _bytesRead),
    };

    /// <summary>Counts a request that writes an object or a part of one.</summary>
    /// <param name="bytes">How many bytes it carries.</param>
    public void Put(long bytes)
    {
        Interlocked.Increment(ref _puts);
        Interlocked.Add(ref _bytesWritten, bytes);
    }

    /// <summary>Counts a request that reads.</summary>
    public void Read() => Interlocked.Increment(ref _reads);

    /// <summary>Counts bytes that a read brought.</summary>
    /// <param name="bytes">How many.</param>
    public void ReadBytes(long bytes) => Interlocked.Add(ref _bytesRead, bytes);

    /// <summary>Counts a question about one object.</summary>
    public void Stat() => Interlocked.Increment(ref _stats);

    /// <summary>Counts a page of a listing.</summary>
    public void List() => Interlocked.Increment(ref _lists);

    /// <summary>Counts a deletion.</summary>
    public void Delete() => Interlocked.Increment(ref _deletes);

    /// <summary>Counts a lock that is set or extended.</summary>
    public void Lock() => Interlocked.Increment(ref _locks);

    /// <summary>Counts a repetition.</summary>
    public void Retry() => Interlocked.Increment(ref _retries);
}
