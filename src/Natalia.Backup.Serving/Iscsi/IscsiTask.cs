namespace Natalia.Backup.Serving.Iscsi;

/// <summary>A SCSI command on its way: from its PDU to its answer.</summary>
internal sealed class IscsiTask : IDisposable
{
    private readonly object _gate = new();
    private readonly CancellationTokenSource _abort;
    private TaskCompletionSource<bool> _burst = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[]? _data;
    private int _received, _expected;
    private uint _transferTag = Pdu.NoTag, _dataSn;

    internal IscsiTask(Pdu command, CancellationToken cancellationToken)
    {
        Command = command;
        _abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    internal Pdu Command { get; }

    internal uint Tag => Command.Tag;

    internal CancellationToken Token => _abort.Token;

    internal bool IsAborted { get; private set; }

    /// <summary>Ends when the task has been answered, or was aborted.</summary>
    internal TaskCompletionSource<bool> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>How many bytes the initiator wants to move.</summary>
    internal uint ExpectedBytes => Command[20];

    internal bool Writes => (Command.Flags & 0x20) != 0;

    internal bool Reads => (Command.Flags & 0x40) != 0;

    /// <summary>Gives the bytes that are to come their room, which was taken before.</summary>
    internal void Expect(int bytes)
    {
        _data = new byte[bytes];
        int immediate = Math.Min(bytes, Command.Data.Length);
        Command.Data.Span.Slice(0, immediate).CopyTo(_data);
        _received = immediate;
    }

    internal int Received => _received;

    internal ReadOnlyMemory<byte> Data => _data ?? ReadOnlyMemory<byte>.Empty;

    /// <summary>A burst that was asked for: ends when it is there, or the task was aborted.</summary>
    internal Task Ask(uint transferTag, int bytes)
    {
        lock (_gate)
        {
            (_transferTag, _expected, _dataSn) = (transferTag, _received + bytes, 0);
            _burst = new(TaskCreationOptions.RunContinuationsAsynchronously);
            // Whoever aborted it has cancelled the burst before.
            if (IsAborted) _burst.TrySetCanceled();
            return _burst.Task;
        }
    }

    /// <summary>Takes data of the burst that was asked for.</summary>
    /// <exception cref="IscsiProtocolException">It was not asked for.</exception>
    internal void Take(Pdu data)
    {
        lock (_gate)
        {
            if (IsAborted) return;
            if (_data is null || data[20] != _transferTag || data[36] != _dataSn++ || data[40] != _received
                || data.Data.Length > _expected - _received)
                throw new IscsiProtocolException("Data came that nobody asked for.");
            data.Data.Span.CopyTo(_data.AsSpan(_received));
            _received += data.Data.Length;
            bool isLast = (data.Flags & 0x80) != 0;
            if (isLast != (_received == _expected)) throw new IscsiProtocolException("A burst has another length.");
            if (!isLast) return;
            _transferTag = Pdu.NoTag;
            _burst.TrySetResult(true);
        }
    }

    internal void Abort()
    {
        lock (_gate)
        {
            IsAborted = true;
            _burst.TrySetCanceled();
        }
        try
        {
            _abort.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended.
        }
    }

    public void Dispose() => _abort.Dispose();
}
