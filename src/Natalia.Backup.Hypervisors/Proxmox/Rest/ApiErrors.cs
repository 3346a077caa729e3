using System.Text.RegularExpressions;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>Turns a refused request into an error that a person can act on.</summary>
internal static class ApiErrors
{
    private static readonly Regex s_permission =
        new(@"Permission check failed\s*\(\s*(?<path>/[^,\s)]*)\s*,\s*(?<privilege>[^)]+?)\s*\)",
        RegexOptions.CultureInvariant);

    /// <summary>
    /// 595, 596 and 599 are how one node says that it did not get another node's answer: the operation may have been
    /// carried out.
    /// </summary>
    internal static bool IsProxyFailure(int status) => status is 595 or 596 or 599 or 502 or 504;

    internal static ApiException From(ApiFlavor flavor, string host, string method, ApiPath path, int status,
        string? reason, string body, RequiredRight? right, IEnumerable<string> secrets)
    {
        ServerWords words = ServerWords.Read(reason, body, flavor, secrets);
        string operation = $"{method} {path.Readable}";
        string all = words.All;
        string said = all.Length == 0 ? $"HTTP {status}" : all.TrimEnd('.', ' ');
        switch (status)
        {
            case 401:
                return new ApiException(ErrorIds.AuthenticationFailed, NataliaErrorKind.Authentication,
                    $"{flavor.Product} '{host}' did not accept the credential for {operation}: {said}.", host,
                    "Check the user name with its realm (such as backup@pve), the password or token secret, and "
                    + "whether the account or token is disabled or expired.")
                { Status = status, ServerText = all, NothingHappened = true };
            case 403:
                Match match = s_permission.Match(all);
                string? privilege = match.Success ? match.Groups["privilege"].Value.Trim() : right?.Privilege;
                // Of a request that several rights open the server names them all; which of them this operation needs
                // is known here.
                if (privilege is not null && right is not null && privilege.Contains('|')
                    && privilege.Split('|').Any(p => right.Privilege.Contains(p.Trim())))
                {
                    privilege = right.Privilege;
                    said = s_permission.Replace(said, "Permission check failed");
                }
                string? where = match.Success ? match.Groups["path"].Value : right?.Path;
                bool ticketOnly = all.IndexOf("need proper ticket", StringComparison.OrdinalIgnoreCase) >= 0;
                string missing = privilege is null ? "" : $" Missing: {privilege.Replace("|", " or ")} on {where}.";
                return new ApiException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                    $"{flavor.Product} '{host}' does not allow {operation}: {said}.{missing}", where ?? path.Readable,
                    ticketOnly ? "This operation does not accept an API token; connect with a user name and password."
                    : privilege is null ? "Give the account the right it needs for this operation."
                    : $"Give the account a role with {privilege.Replace("|", " or ")} on {where}. An API token with "
                        + "privilege separation needs it itself, besides its user.")
                { Status = status, ServerText = all, NothingHappened = true };
            case 400:
                return new ApiException(ErrorIds.ServerRefused, NataliaErrorKind.InvalidArgument,
                    $"{flavor.Product} '{host}' refused {operation}: {said}.", path.Readable)
                { Status = status, ServerText = all, ArgumentErrors = words.Arguments, NothingHappened = true };
            case 404 or 501:
                return new ApiException(ErrorIds.ServerRefused, NataliaErrorKind.NotFound,
                    $"{flavor.Product} '{host}' has no {operation}: {said}.", path.Readable,
                    "The server may be older than this operation.")
                { Status = status, ServerText = all, NothingHappened = true };
            case var proxy when IsProxyFailure(proxy):
                return new ApiException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
                    $"{flavor.Product} '{host}' did not get the answer of another node for {operation}: {said}.",
                    path.Readable,
                    "Check that the node is up and reachable from the other nodes.")
                { Status = status, ServerText = all };
            default:
                return new ApiException(ErrorIds.ServerError, NataliaErrorKind.InvalidOperation,
                    $"{flavor.Product} '{host}' failed at {operation}: {said}.", path.Readable)
                { Status = status, ServerText = all, ArgumentErrors = words.Arguments };
        }
    }
}
