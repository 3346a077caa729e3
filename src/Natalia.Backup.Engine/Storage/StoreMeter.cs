namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// Counts requests and bytes, from any thread. What one operation among several costs is counted by
/// <see cref="Measure"/>.
/// </summary>
public sealed class StoreMeter
{
    private readonly AsyncLocal<StoreMeter?> _measured = new();
    private readonly StoreMeter? _outer;
    private long _puts, _reads, _stats, _lists, _deletes, _locks, _retries, _bytesWritten, _bytesRead;

    /// <summary>Makes an empty meter.</summary>
    public StoreMeter() { }

    private StoreMeter(StoreMeter? outer) => _outer = outer;

    /// <summary>
    /// Counts apart what the caller, and all that it starts, asks of the store from here on, whatever others ask of it
    /// at the same time. Ends with the asynchronous method that called it.
    /// </summary>
    /// <returns>The meter of this operation.</returns>
    public StoreMeter Measure() => _measured.Value = new StoreMeter(_measured.Value);

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
    public void Put(long bytes) => Count(bytes, static (meter, bytes) =>
    {
        Interlocked.Increment(ref meter._puts);
        Interlocked.Add(ref meter._bytesWritten, bytes);
    });

    /// <summary>Counts a request that reads.</summary>
    public void Read() => Count(1, static (meter, _) => Interlocked.Increment(ref meter._reads));

    /// <summary>Counts bytes that a read brought.</summary>
    /// <param name="bytes">How many.</param>
    public void ReadBytes(long bytes) =>
        Count(bytes, static (meter, bytes) => Interlocked.Add(ref meter._bytesRead, bytes));

    /// <summary>Counts a question about one object.</summary>
    public void Stat() => Count(1, static (meter, _) => Interlocked.Increment(ref meter._stats));

    /// <summary>Counts a page of a listing.</summary>
    public void List() => Count(1, static (meter, _) => Interlocked.Increment(ref meter._lists));

    /// <summary>Counts a deletion.</summary>
    public void Delete() => Count(1, static (meter, _) => Interlocked.Increment(ref meter._deletes));

    /// <summary>Counts a lock that is set or extended.</summary>
    public void Lock() => Count(1, static (meter, _) => Interlocked.Increment(ref meter._locks));

    /// <summary>Counts a repetition.</summary>
    public void Retry() => Count(1, static (meter, _) => Interlocked.Increment(ref meter._retries));

    private void Count(long amount, Action<StoreMeter, long> count)
    {
        count(this, amount);
        for (StoreMeter? meter = _measured.Value; meter is not null; meter = meter._outer) count(meter, amount);
    }
}
