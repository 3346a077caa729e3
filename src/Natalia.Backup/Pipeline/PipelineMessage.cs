namespace Natalia.Backup.Pipeline;

/// <summary>Something that the pipeline thread is to do for a body that runs on the pool.</summary>
internal sealed class PipelineMessage
{
    private readonly Action _run;
    private readonly Action? _abandon;

    /// <param name="run">What to do on the pipeline thread. What it throws ends the command.</param>
    /// <param name="abandon">Called on the pipeline thread instead, when the pipeline takes nothing any more.</param>
    internal PipelineMessage(Action run, Action? abandon = null)
    {
        _run = run;
        _abandon = abandon;
    }

    internal void Run() => _run();

    internal void Abandon() => _abandon?.Invoke();
}
