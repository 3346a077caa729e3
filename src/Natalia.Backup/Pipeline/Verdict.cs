namespace Natalia.Backup.Pipeline;

/// <summary>
/// The one Boolean that <c>-Quiet</c> comes to, however many things were tested: a list of Booleans would be true in an
/// <c>if</c> whatever it held. Nothing tested is no success.
/// </summary>
internal sealed class Verdict
{
    private int _tested;
    private bool _failed;

    /// <summary>Takes the outcome of one test.</summary>
    internal void Add(bool passed)
    {
        _tested++;
        _failed |= !passed;
    }

    /// <summary>True when something was tested and nothing failed.</summary>
    internal bool IsGood => _tested > 0 && !_failed;
}
