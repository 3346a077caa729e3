using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere;

/// <summary>Asks the server for privileges by their names. Changes nothing.</summary>
internal sealed class PrivilegeChecks
{
    private readonly IVimService _vim;
    private readonly CheckList _checks;
    private readonly string? _session;

    private PrivilegeChecks(IVimService vim, CheckList checks, string? session) =>
        (_vim, _checks, _session) = (vim, checks, session);

    /// <summary>For the rights of the session's own user.</summary>
    internal static async Task<PrivilegeChecks> OpenAsync(IVimService vim, CheckList checks,
        CancellationToken cancellationToken)
    {
        VimObject? manager = (await vim.GetPropertiesAsync([vim.Singleton("sessionManager")], ["currentSession"],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        return new PrivilegeChecks(vim, checks, manager?["currentSession"].Text("key"));
    }

    /// <summary>For backups: one that lacks fails.</summary>
    internal Task AskForBackupsAsync(VimReference entity, string name, IReadOnlyList<string> privileges,
        CancellationToken cancellationToken) => AskAsync("Privilege", CheckOutcome.Failed,
            "Add it to the user's role; docs/vmware.md has the whole role.", entity, name, privileges,
            cancellationToken);

    /// <summary>
    /// For restores and restore tests. A backup does without these, and a user for backups alone is a good thing to
    /// have: one that lacks is told, and fails nothing.
    /// </summary>
    internal Task AskForRestoresAsync(VimReference entity, string name, IReadOnlyList<string> privileges,
        CancellationToken cancellationToken) => AskAsync("RestorePrivilege", CheckOutcome.Warning,
            "Backups do without it; who restores, or runs restore tests, needs it. docs/vmware.md has the whole role.",
            entity, name, privileges, cancellationToken);

    private async Task AskAsync(string check, CheckOutcome missing, string advice, VimReference entity, string name,
        IReadOnlyList<string> privileges, CancellationToken cancellationToken)
    {
        HashSet<string>? granted = null;
        string? trouble = "the server does not tell the session's own rights";
        try
        {
            if (_session is not null)
                granted = await GrantedAsync(entity, _session, privileges, cancellationToken).ConfigureAwait(false);
        }
        catch (VimFaultException e)
        {
            trouble = e.Message;
        }
        foreach (string privilege in privileges)
        {
            bool? has = granted?.Contains(privilege);
            _checks.Add(check, $"{privilege} on {name}", has is null ? CheckOutcome.NotEvidenced
                : has == true ? CheckOutcome.Passed : missing, "granted",
                has is null ? "unknown" : has == true ? "granted" : "not granted",
                has is null ? trouble : has == true ? null : advice, ErrorIds.PermissionDenied);
        }
    }

    private async Task<HashSet<string>> GrantedAsync(VimReference entity, string session,
        IReadOnlyList<string> privileges, CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> answer = await _vim.CallAsync(_vim.Singleton("authorizationManager"),
            "HasPrivilegeOnEntities", [VimXml.Reference("entity", entity), VimXml.Element("sessionId", session),
                .. privileges.Select(p => VimXml.Element("privId", p))], cancellationToken).ConfigureAwait(false);
        return new HashSet<string>(answer.SelectMany(e => e.Members("privAvailability"))
            .Where(p => p.Flag("isGranted") == true).Select(p => p.Text("privId")).OfType<string>(),
            StringComparer.Ordinal);
    }
}
