using System.Diagnostics.CodeAnalysis;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// A bounded queue from many pool threads to the one pipeline thread. A full queue makes senders wait, so that a slow
/// consumer slows the body instead of filling memory.
/// </summary>
internal sealed class PipelineQueue
{
    private const int Capacity = 256;

    private readonly object _gate = new();
    private readonly Queue<PipelineMessage> _messages = new();
    private bool _closed;

    /// <summary>Adds a message, waiting for room. False when the queue is closed: nobody listens any more.</summary>
    internal bool Post(PipelineMessage message)
    {
        lock (_gate)
        {
            while (_messages.Count >= Capacity && !_closed) Monitor.Wait(_gate);
            return Add(message);
        }
    }

    /// <summary>Adds a message if there is room at once; for what may be lost, such as progress.</summary>
    internal bool TryPost(PipelineMessage message)
    {
        lock (_gate) return _messages.Count < Capacity && Add(message);
    }

    /// <summary>Waits for the next message. False when the queue is closed and empty.</summary>
    internal bool TryTake([NotNullWhen(true)] out PipelineMessage? message)
    {
        lock (_gate)
        {
            while (_messages.Count == 0)
            {
                if (_closed)
                {
                    message = null;
                    return false;
                }
                Monitor.Wait(_gate);
            }
            message = _messages.Dequeue();
            Monitor.PulseAll(_gate);
            return true;
        }
    }

    /// <summary>No message will follow; those that wait are still delivered.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }
    }

    private bool Add(PipelineMessage message)
    {
        if (_closed) return false;
        _messages.Enqueue(message);
        Monitor.PulseAll(_gate);
        return true;
    }
}
