namespace Natalia.Backup.Engine.Repair;

/// <summary>How a repair is to be done.</summary>
public sealed record RepairOptions
{
    /// <summary>
    /// Read and open every byte of every pack; else only what tells where blocks are, and that every pack is there in
    /// its right length.
    /// </summary>
    public bool Full { get; init; }
    /// <summary>
    /// Remove restore points that are lost; else they stay for the day when what is missing comes back, and what is
    /// left of them can be exported.
    /// </summary>
    public bool RemoveLost { get; init; }
    /// <summary>Change nothing; say what would be done.</summary>
    public bool WhatIf { get; init; }
    /// <summary>The ids of the appliances to look at; null for all.</summary>
    public IReadOnlyCollection<string>? ApplianceIds { get; init; }
}
