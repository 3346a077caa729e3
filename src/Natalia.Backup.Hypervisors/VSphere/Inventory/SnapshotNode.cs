using System.Xml.Linq;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>One snapshot of a VM's tree.</summary>
/// <param name="Reference">The snapshot.</param>
/// <param name="Name">What its maker called it.</param>
/// <param name="Description">What its maker wrote to it.</param>
/// <param name="CreatedUtc">When it was made by the server's clock, UTC.</param>
/// <param name="IsQuiesced">Whether the guest put its data in order for it.</param>
internal sealed record SnapshotNode(VimReference Reference, string Name, string Description, DateTime? CreatedUtc,
    bool IsQuiesced)
{
    // As deep as servers let chains become, many times over.
    private const int MaximumDepth = 150;

    /// <summary>All snapshots, each before those that were made upon it.</summary>
    /// <param name="info">VirtualMachineSnapshotInfo; null for a VM without any.</param>
    internal static IReadOnlyList<SnapshotNode> Read(XElement? info)
    {
        var found = new List<SnapshotNode>();
        Add(info.Members("rootSnapshotList"), found, 0);
        return found;
    }

    private static void Add(IEnumerable<XElement> trees, List<SnapshotNode> found, int depth)
    {
        if (depth > MaximumDepth) return;
        foreach (XElement tree in trees)
        {
            if (VimXml.ReferenceOf(tree.Member("snapshot")) is VimReference reference)
                found.Add(new SnapshotNode(reference, tree.Text("name") ?? "", tree.Text("description") ?? "",
                    tree.Time("createTime"), tree.Flag("quiesced") == true));
            Add(tree.Members("childSnapshotList"), found, depth + 1);
        }
    }
}
