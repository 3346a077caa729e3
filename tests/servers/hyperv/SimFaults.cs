using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>What a method is made to do instead of its work.</summary>
internal sealed record SimFault
{
    /// <summary>The code that it returns; null to start a job that fails.</summary>
    internal long? Code { get; init; }

    /// <summary>What the failing job says.</summary>
    internal string Message { get; init; } = "The operation failed.";

    /// <summary>Whether the call breaks as a connection does, or as an answer that is too large.</summary>
    internal CimFault? Breaks { get; init; }

    /// <summary>Whether it does its work all the same.</summary>
    internal bool WorksAllTheSame { get; init; }

    /// <summary>How often.</summary>
    internal int Times { get; set; } = int.MaxValue;

    /// <summary>For which calls; null for all.</summary>
    internal Func<IReadOnlyDictionary<string, object?>, bool>? When { get; init; }
}
