namespace Natalia.Backup.Engine.Repair;

/// <summary>What a repair says of a finding: before it is done, and when it is. All its prose stands here.</summary>
internal readonly record struct RepairWords(string Planned, string Done)
{
    private const string PutBack =
        "Put it back from a copy of the repository and the point is there again; everything that it may need is kept "
        + "until then. ";

    private const string Rest = " The rest can be had with Export-NataliaDisk -AllowLoss.";

    /// <summary>The same, done or not.</summary>
    public static implicit operator RepairWords(string text) => new(text, text);

    /// <summary>Sentences that differ in a word. What is only planned must not read as if it were done.</summary>
    private static RepairWords Of(string begin, string planned, string done, string end = "") =>
        new(begin + planned + end, begin + done + end);

    internal static RepairWords LeaseOpen =>
        "A lease is open: either a run is at work, or one died. A repair waits for none, and takes over the lease of "
        + "a dead one when it has run out. "
        + "What lies above the newest point is judged then, and not here: it may be what the run is writing.";

    internal static RepairWords LeaseTakenOver => "A run died and left its lease; it was taken over.";

    internal static RepairWords PackCovered(string bad, string damage, string whole) =>
        Of($"The pack '{bad}' is damaged: {damage} '{whole}' holds all of it that is needed, and ", "would take",
            "takes", " its place. Nothing is lost.");

    internal static RepairWords PackCoveredAndLocked(string bad, string damage, string whole) =>
        $"The pack '{bad}' is damaged: {damage} '{whole}' holds all of it that is needed, and takes its place when "
            + $"the lock of the damaged one has ended.";

    internal static RepairWords MissingManifestRebuilt(long sequence, string id) =>
        Of($"The manifest of the point with sequence {sequence} ({id}) ", "is missing, and would be",
            "was missing, and was", " made again from the catalog.");

    internal static RepairWords MissingManifestGivenUp(long sequence, string id) =>
        Of($"The manifest of the point with sequence {sequence} ({id}) is missing. ",
        "The point would be given up, and what only it needs with it: if there is a copy of the manifest, put it back "
            + "before.",
        "The point was given up, and what only it needed with it: putting the manifest back does not bring it back "
            + "any more.");

    internal static RepairWords MissingManifestKept(long sequence, string id, string why) =>
        $"The manifest of the point with sequence {sequence} ({id}) is missing. {PutBack}{why}";

    internal static RepairWords DamagedManifestRebuilt(string name) =>
        Of($"The manifest '{name}' ", "cannot be read, and would be", "could not be read, and was",
        " made again from the catalog.");

    internal static RepairWords DamagedManifestRebuiltLater(string name) =>
        $"The manifest '{name}' cannot be read. It can be made again from the catalog by a repair when the lock of the "
            + "damaged one has ended; everything that the point may need is kept until then.";

    internal static RepairWords DamagedManifestOfRemoved(string name) =>
        $"The manifest '{name}' cannot be read. The point was removed anyway.";

    internal static RepairWords DamagedManifestGivenUp(string name) =>
        Of($"The manifest '{name}' cannot be read. Its point ", "would be", "was", " given up.");

    internal static RepairWords DamagedManifestKept(string name, string why) =>
        $"The manifest '{name}' cannot be read. {PutBack}{why}";

    internal const string GivenUpOnDemand = "With -RemoveLost the point is given up.";
    internal const string Protected = "It is protected, so that it is not given up.";
    internal const string NoNewerPoint = "No newer point can be read, so that it is not given up.";
    internal static string Locked(DateTime? untilUtc) =>
        $"It is locked{(untilUtc is DateTime until ? $" until {until:yyyy-MM-dd HH:mm:ss} UTC" : "")}, so that it is "
            + "not given up.";

    internal static string WaitForReading(string name) =>
        $"The store could not read '{name}', which may pass, so that nothing is given up for that. Look after the "
        + "disk or share first.";

    internal static string WaitForRoom(string room) =>
        $"There is nothing at all under '{room}', which may not be mounted, or not be copied yet, so that nothing is "
        + "given up.";

    internal const string MayPass = "The store could not read it, which may pass, so that it is not given up.";

    internal static RepairWords Strange(int count, string first, string room, bool go)
    {
        string what = count == 1
            ? $"'{first}' is no manifest, and neither the log nor anything else knows of such a point."
            : $"{count} objects under '{room}' are no manifests, '{first}' among them, and neither the log nor "
                + $"anything else knows of such points.";
        return go ? Of(what, " They would be deleted.", " They were deleted.") : what
            + " Somebody put them there. They do no harm; with -RemoveLost they are deleted.";
    }

    internal static RepairWords StaleCheckpoint(string name) =>
        $"The checkpoint '{name}' of an interrupted run is needed no more: a newer point was made.";

    internal static RepairWords GivenUpBefore(string name, string point, DateTime removedUtc) =>
        $"The manifest '{name}' is that of the point {point}, which was removed on {removedUtc:yyyy-MM-dd HH:mm:ss} "
            + $"UTC. What it needs is gone, so that the manifest brings nothing back.";

    internal static RepairWords DiskLost(long bytes, string disk, string point,
        IReadOnlyList<string> companions, RepairWords fate) =>
        fate.After($"{ByteSize.Format(bytes)} of disk {disk} of the point {point} {Plural.Of(bytes, "is", "are")} "
            + $"lost{(companions.Count > 0 ? ", and " + List(companions) + " kept with it" : "")}. ");

    internal static RepairWords CompanionsLost(string point, IReadOnlyList<string> companions, RepairWords fate) =>
        fate.After($"{Sentence(List(companions))} kept with the point {point} "
            + $"{Plural.Of(companions.Count, "is", "are")} lost; its disks are whole. ");

    internal const string Configuration = "the VM configuration";

    internal static string Attachment(string name) => $"the attachment '{name}'";

    private static string List(IReadOnlyList<string> companions) => string.Join(" and ", companions);

    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text.Substring(1);

    internal static RepairWords FateUnreadable(string name) => WaitForReading(name);

    internal static RepairWords FateMarked(bool hasRest) =>
        Of("The point ", "would be", "is", " kept, and marked as damaged." + (hasRest ? Rest : ""));

    internal static RepairWords FateWholeDisks => "A point with whole disks is not given up.";

    internal static RepairWords FateEmptyRoom(string room) => WaitForRoom(room) + Rest;

    internal static RepairWords FateWholeBefore => "It was whole a moment ago, so that it is not given up." + Rest;

    internal static RepairWords FateNewest =>
        "It is the newest one of its appliance and stays until there is a newer one: the next backup stores again "
        + "what is lost." + Rest;

    internal static RepairWords FateProtected => "It is protected and stays." + Rest;

    internal static RepairWords FateInUse => "It is being read, so that it stays." + Rest;

    internal static RepairWords FateLocked(DateTime untilUtc) =>
        $"It is locked until {untilUtc:yyyy-MM-dd HH:mm:ss} UTC and stays until then.{Rest}";

    internal static RepairWords FateRemoved => Of("The point ", "would be", "was", " removed.");

    internal static RepairWords Healed(string point) =>
        $"The point {point} had been found damaged, and is whole again.";

    internal static RepairWords PackSalvaged(string name, string damage) =>
        Of($"The pack '{name}' is damaged: {damage} All that points need of it is whole, and ", "would be", "was",
            " copied into a new object.");

    internal static RepairWords PackHoldsAll(string name, string damage) =>
        $"The pack '{name}' is damaged: {damage} All that points need of it is whole.";

    internal static RepairWords PackMissing(string name) =>
        Of($"The pack '{name}' is missing. Put it back from a copy of the repository if there is one; ",
            "after a repair the", "the", " next backup stores again what the disk still has of it.");

    internal static RepairWords PackDamaged(string name, string damage) =>
        Of($"The pack '{name}' is damaged: {damage} What is whole in it can still be read; ", "after a repair the",
            "the", " next backup stores again what the disk still has of the rest.");

    internal const string OtherContent = "Every part of it opens, but not all of it is what the block maps name.";

    internal static RepairWords PackMissingUnneeded(string name) =>
        $"The pack '{name}' is missing, but no point needs it.";

    internal static RepairWords ForkMended(string fork) =>
        Of(fork + " What each made needless ", "would be", "was", " made again from the block maps, so that space can "
        + "be given back.");

    internal static RepairWords ForkOfTwins(string fork, string remedy) =>
        $"{fork} No space is given back until that is mended. {remedy}";

    internal static RepairWords ForkKept(string fork) => fork
        + " That cannot be mended while a manifest, or a part of a block map, is lost; no space is given back until "
        + "then.";

    internal static RepairWords DeltaKept(string name) =>
        $"The delta '{name}' is lost, and cannot be made again while a manifest, or a part of a block map, is lost, "
            + $"too. Restoring does not need it.";

    internal static RepairWords DeltaRebuilt(string name, bool saysTooMuch, bool isLost) =>
        saysTooMuch ? Of($"The delta '{name}' says of blocks that nobody needs them, which a point of another run "
            + $"needs that wrote beside it; it ", "would be", "was", " made again from the block maps.")
        : isLost ? Of($"The delta '{name}' is missing or damaged; it ", "would be", "was",
            " made again from the block maps. Restoring does not need it, giving back space does.")
        : Of($"The delta '{name}' does not tell all that its run made needless; that ", "would be", "was",
            " made again from the block maps, so that the space can be given back when older points go.");

    internal static RepairWords DeltaNeedless(string name, string damage) =>
        $"The delta '{name}' is damaged: {damage} Nothing needs it any more.";

    internal static RepairWords DeltaUnreadable(string name) =>
        $"The store could not read the delta '{name}', which may pass, so that it is kept. Restoring does not need it.";

    internal static RepairWords FreeListDamaged(bool canBeMade) => canBeMade
        ? Of("The list of free space cannot be read. It is derived, and ", "would be", "was", " made again.")
        : "The list of free space cannot be read. It is derived, and can be made again when the points that are lost "
            + "are back, or given up.";

    internal static RepairWords SpaceKept(int packs, string run, long bytes) =>
        $"{Packs(packs)} of the run {run} ({ByteSize.Format(bytes)}), needed by no point that can be read. "
            + $"Kept, because a point that is lost may need them; -RemoveLost gives it up.";

    internal static RepairWords SpaceUnneeded(int packs, string run, long bytes, bool isOrphan) =>
        $"{Packs(packs)} of the run {run} ({ByteSize.Format(bytes)}), needed by no point"
            + (isOrphan ? ": the run ended before it made one." : ".");

    internal static string Point(PointWalk walk) =>
        $"{walk.Manifest.ApplianceName} {walk.Manifest.TimeUtc:yyyy-MM-dd HH:mm:ss}Z";

    private static string Packs(int count) => count == 1 ? "1 pack" : count + " packs";

    private RepairWords After(string begin) => new(begin + Planned, begin + Done);
}
