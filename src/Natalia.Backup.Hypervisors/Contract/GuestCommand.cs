namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>A program to run in a guest.</summary>
public sealed record GuestCommand
{
    /// <summary>The program with its full path, then its arguments, one by one.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }
    /// <summary>What it reads from its standard input, at most 64 KiB; or null.</summary>
    public string? Input { get; init; }
    /// <summary>How long it may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);
}
