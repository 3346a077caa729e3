using System.Collections.Concurrent;
using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// A file that is written past the page cache where the system can do that, by one thread of its own, while others fill
/// the next buffers.
/// </summary>
internal sealed class PrimitiveFile : IDisposable
{
    private readonly PositionalFile _file;
    private readonly DirectFile? _direct;
    private readonly BlockingCollection<Part> _parts = [];
    private readonly BlockingCollection<Memory<byte>> _free = [];
    private readonly Thread _writer;
    private Exception? _failure;

    /// <param name="path">The file to make.</param>
    /// <param name="length">Its length in bytes; it grows where more is written.</param>
    /// <param name="buffers">How many buffers there are.</param>
    /// <param name="bufferBytes">How large each is.</param>
    internal PrimitiveFile(string path, long length, int buffers, int bufferBytes)
    {
        _file = PositionalFile.CreateNew(path);
        _file.SetLength(length);
        _direct = DirectFile.TryOpen(_file.Handle);
        for (int i = 0; i < buffers; i++) _free.Add(PageMemory.Allocate(bufferBytes));
        _writer = new Thread(WriteParts);
        _writer.Start();
    }

    /// <summary>A buffer to fill; waits until one is free.</summary>
    internal Memory<byte> Rent() => _free.Take();

    /// <summary>Hands a buffer over, and parts of it to be written.</summary>
    /// <param name="buffer">The buffer; it is rented again when its parts are written.</param>
    /// <param name="offset">Where the buffer's first byte goes.</param>
    /// <param name="runs">The parts, in bytes of the buffer.</param>
    internal void Write(Memory<byte> buffer, long offset, params (int First, int Length)[] runs) =>
        _parts.Add(new Part(buffer, offset, runs));

    /// <summary>Returns when everything is on stable storage.</summary>
    internal void Complete()
    {
        _parts.CompleteAdding();
        _writer.Join();
        if (_failure is not null) throw new IOException("The file cannot be written.", _failure);
        _file.Flush();
    }

    public void Dispose()
    {
        _parts.CompleteAdding();
        _writer.Join();
        _direct?.Dispose();
        _file.Dispose();
        _parts.Dispose();
        _free.Dispose();
    }

    private void WriteParts()
    {
        foreach (Part part in _parts.GetConsumingEnumerable())
        {
            try
            {
                if (_failure is null) Write(part);
            }
            catch (Exception failure)
            {
                _failure = failure;
            }
            _free.Add(part.Buffer);
        }
    }

    private void Write(Part part)
    {
        foreach ((int first, int length) in part.Runs)
        {
            ReadOnlySpan<byte> run = part.Buffer.Span.Slice(first, length);
            int done = _direct?.Write(part.Offset + first, run) ?? 0;
            if (done < length) _file.Write(part.Offset + first + done, run.Slice(done));
        }
    }

    /// <summary>How long the same bytes take when nothing else is done.</summary>
    /// <param name="path">The file, which is removed afterwards.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="bufferBytes">How many at a time.</param>
    internal static PrimitiveTime Measure(string path, long bytes, int bufferBytes)
    {
        using var file = new PrimitiveFile(path, 0, 1, bufferBytes);
        Memory<byte> buffer = file.Rent();
        new Random(1).NextBytes(buffer.Span);
        file._free.Add(buffer);
        try
        {
            return PrimitiveTime.Of(() =>
            {
                for (long at = 0; at < bytes; at += bufferBytes)
                    file.Write(file.Rent(), at, (0, (int)Math.Min(bufferBytes, bytes - at)));
                file.Complete();
            });
        }
        finally
        {
            File.Delete(path);
        }
    }

    private readonly record struct Part(Memory<byte> Buffer, long Offset, (int First, int Length)[] Runs);
}

/// <summary>How long something took.</summary>
/// <param name="Seconds">By the clock on the wall.</param>
/// <param name="CpuSeconds">Of all processors, this process's user and system time.</param>
internal sealed record PrimitiveTime(double Seconds, double CpuSeconds)
{
    internal static PrimitiveTime Of(Action what)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        what();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new PrimitiveTime(seconds, (Environment.CpuUsage.TotalTime - before).TotalSeconds);
    }
}
