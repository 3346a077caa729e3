namespace Natalia.Backup.Testing.Examples;

/// <summary>A piece of PowerShell that a document shows.</summary>
/// <param name="Id">Where it stands.</param>
/// <param name="Code">What it is.</param>
public sealed record Example(string Id, string Code)
{
    /// <summary>The document, or the command of help, in which it stands.</summary>
    public string Document => Id[..Id.LastIndexOf(' ', Id.LastIndexOf(' ') - 1)];
}
