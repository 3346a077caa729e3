namespace Natalia.Backup.Serving.Scsi;

/// <summary>
/// An initiator's way to the unit: what SCSI reservations and unit attentions are kept for. Thread-safe.
/// </summary>
/// <param name="name">The initiator's port: name and session.</param>
internal sealed class Nexus(string name)
{
    private readonly Queue<ushort> _attentions = new();

    internal string Name => name;

    /// <summary>Lets the initiator be told at its next command.</summary>
    /// <param name="code">Additional sense code and qualifier.</param>
    internal void Attend(ushort code)
    {
        lock (_attentions)
        {
            if (_attentions.Count < 16 && !_attentions.Contains(code)) _attentions.Enqueue(code);
        }
    }

    internal ushort? TakeAttention()
    {
        lock (_attentions) return _attentions.Count > 0 ? _attentions.Dequeue() : null;
    }
}
