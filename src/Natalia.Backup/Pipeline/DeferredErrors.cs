using System.Management.Automation;

namespace Natalia.Backup.Pipeline;

/// <summary>Errors that wait until everything else is done. All members may be called from any thread.</summary>
internal sealed class DeferredErrors
{
    private readonly object _gate = new();
    private readonly List<ErrorRecord> _errors = [];
    private readonly HashSet<string> _takenOver = new(StringComparer.Ordinal);

    internal bool IsEmpty
    {
        get { lock (_gate) return _errors.Count == 0; }
    }

    /// <summary>
    /// Keeps an error, unless a command before this one in the pipeline has met the same trouble and passed it on.
    /// </summary>
    internal void Add(ErrorRecord error)
    {
        lock (_gate)
        {
            if (!_takenOver.Contains(error.Exception.Message)) _errors.Add(error);
        }
    }

    /// <summary>
    /// Keeps an error that a command before this one in the pipeline passes on; the same trouble once.
    /// </summary>
    internal void TakeOver(ErrorRecord error)
    {
        lock (_gate)
        {
            if (_takenOver.Add(error.Exception.Message)) _errors.Add(error);
        }
    }

    /// <summary>Takes all that wait, in their order.</summary>
    internal IReadOnlyList<ErrorRecord> TakeAll()
    {
        lock (_gate)
        {
            List<ErrorRecord> all = [.. _errors];
            _errors.Clear();
            return all;
        }
    }
}
