namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How a program in a guest ended.</summary>
/// <param name="ExitCode">Its exit code; null when a signal ended it.</param>
/// <param name="Signal">The signal that ended it, or null.</param>
/// <param name="Output">What it wrote to its standard output.</param>
/// <param name="Error">What it wrote to its standard error.</param>
/// <param name="IsTruncated">True when the guest channel cut one of the two.</param>
/// <param name="Duration">How long it ran.</param>
public sealed record GuestCommandResult(int? ExitCode, int? Signal, string Output, string Error, bool IsTruncated,
    TimeSpan Duration);
